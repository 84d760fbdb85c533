import HeadImpact

/// Heads that are taken out of a model together.
public struct Ablation: Sendable, Equatable {
  /// What results call it.
  public let name: String
  public let heads: [Selection.Head]

  public init(name: String, heads: [Selection.Head]) {
    self.name = name
    self.heads = heads
  }

  /// The `count` heads of highest Head Impact (`top`), those of lowest (`bottom`), and as many drawn from all heads by
  /// each seed (`random 0`).
  ///
  /// - Throws: `HeadImpactError` if the model hasn't so many heads.
  public static func byHeadImpact(
    _ table: HeadImpactTable, measure: RankedMeasure = .matched, count: Int, randomSeeds: [UInt64]
  ) throws -> [Ablation] {
    func ablation(_ name: String, _ strategy: Selection.Strategy, seed: UInt64 = 0) throws -> Ablation {
      Ablation(
        name: name,
        heads: try Selection.heads(of: table, strategy: strategy, measure: measure, count: count, seed: seed))
    }
    return [try ablation("top", .top), try ablation("bottom", .bottom)]
      + (try randomSeeds.map { try ablation("random \($0)", .random, seed: $0) })
  }
}

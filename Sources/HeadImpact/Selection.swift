/// Layers chosen by Head Impact, to be trained.
///
/// As JSON (`source`, `model_name`, `model_sha256`, `heads`, `head_scores`, `seed` and `corrected` only where there is
/// one):
///
///     {"strategy": "top", "measure": "matched", "corrected": true, "layers": [4, 2], "scores": [0.41, 0.38],
///      "heads": [[4, 0], [2, 5]], "head_scores": [0.52, 0.49], "model_name": "…", "model_sha256": "…",
///      "source": "hi.h5"}
public struct Selection: Sendable, Equatable {
  public enum Strategy: String, CaseIterable, Sendable, Codable {
    /// The layers of highest score, the best first.
    case top
    /// The layers of lowest score, the lowest first.
    case bottom
    /// Drawn by the seed, in ascending order.
    case random
  }

  public struct Head: Sendable, Hashable {
    public var layer: Int
    public var head: Int

    public init(layer: Int, head: Int) {
      self.layer = layer
      self.head = head
    }
  }

  public let strategy: Strategy
  /// By which layers and heads were ranked.
  public let ranked: RankedMeasure
  /// Layer numbers from 0; at least one, none twice.
  public let layers: [Int]
  /// The score of each: the mean HI of its heads. - Shape: as `layers`
  public let scores: [Double]
  /// The heads of highest HI in the whole model, the best first; empty if none were asked for.
  public let heads: [Head]
  /// The HI of each of the heads; empty where a file of an older version has none. - Shape: as `heads`
  public let headScores: [Double]
  /// Of the strategy `random`.
  public let seed: UInt64?
  /// The scored model and the source file: for the reader, and to refuse another model.
  public var modelName: String?
  public var modelSHA256: String?
  public var source: String?

  /// Chooses `count` layers; ties go to the lower index.
  ///
  /// - Parameters:
  ///   - count: 1...table.layers
  ///   - topHeads: how many of the best heads to name as well; 0...all of them.
  ///   - seed: of the strategy `random`, which draws as Fisher and Yates do with `SplitMix64(seed)`; else unused.
  /// - Throws: `HeadImpactError` if a count is out of range, or the table has no corrected values and they are asked for.
  public init(
    from table: HeadImpactTable, strategy: Strategy, measure ranked: RankedMeasure = .matched, layers count: Int,
    topHeads: Int = 0, seed: UInt64 = 0
  ) throws {
    guard (1...table.layers).contains(count) else {
      throw HeadImpactError("\(count) layers can't be chosen: the model has \(table.layers), so 1...\(table.layers)")
    }
    guard (0...(table.layers * table.heads)).contains(topHeads) else {
      throw HeadImpactError(
        "\(topHeads) heads can't be chosen: the model has \(table.layers) layers of \(table.heads) heads")
    }
    let all = try table.layerScores(ranked)
    if let layer = all.firstIndex(where: { !$0.isFinite }) {
      throw HeadImpactError("layer \(layer) has the \(ranked.key) score \(all[layer]); scores must be finite")
    }
    self.strategy = strategy
    self.ranked = ranked
    switch strategy {
    case .top: layers = Array(highestFirst(all).prefix(count))
    case .bottom: layers = Array(highestFirst(all.map { -$0 }).prefix(count))
    case .random: layers = Self.drawn(count, of: table.layers, seed: seed)
    }
    scores = layers.map { all[$0] }
    let best = try Ranking(table, by: ranked).heads.prefix(topHeads)
    heads = best.map { Head(layer: $0.layer, head: $0.head) }
    headScores = best.map(\.score)
    self.seed = strategy == .random ? seed : nil
  }

  /// The layers that the strategy `random` draws, whatever their Head Impact.
  ///
  /// - Parameter count: 1...all
  public static func drawn(_ count: Int, of all: Int, seed: UInt64) -> [Int] {
    precondition((1...all).contains(count))
    return draw(count, of: all, SplitMix64(seed: seed))
  }

  /// Numbers below `all`, none twice, ascending.
  static func draw(_ count: Int, of all: Int, _ random: SplitMix64) -> [Int] {
    var numbers = Array(0..<all)
    for i in 0..<count { numbers.swapAt(i, i + random.below(all - i, counter: UInt64(i))) }
    return numbers.prefix(count).sorted()
  }
}

/// Which heads' Head Impact differs from chance: a test of each head, corrected for the number of heads.
public struct BeyondChance: Sendable, Equatable {
  /// The level that a corrected p-value must not exceed.
  public static let level = 0.05

  public let layers: Int
  /// Heads per layer.
  public let heads: Int
  /// Two-sided, of `SignFlipTest`. - Shape: [measure, layer, head]; so too the next two.
  public let p: [Double]
  /// Corrected over the heads of a measure, by Holm.
  public let holm: [Double]
  /// Corrected over the heads of a measure, by Benjamini and Hochberg.
  public let benjaminiHochberg: [Double]

  /// - Parameter p: [measure, layer, head]
  /// - Throws: `HeadImpactError` if there are more or fewer, or one isn't in (0, 1].
  public init(layers: Int, heads: Int, p: [Double]) throws {
    let perMeasure = layers * heads
    guard p.count == Measure.allCases.count * perMeasure, p.allSatisfy({ $0 > 0 && $0 <= 1 }) else {
      throw HeadImpactError(
        "\(p.count) p-values of \(layers) layers of \(heads) heads; there must be one for each measure and head, above 0 "
          + "and at most 1")
    }
    func adjusted(_ adjust: ([Double]) -> [Double]) -> [Double] {
      stride(from: 0, to: p.count, by: perMeasure).flatMap { adjust(Array(p[$0..<$0 + perMeasure])) }
    }
    self.init(
      layers: layers, heads: heads, p: p, holm: adjusted(MultipleTesting.holm),
      benjaminiHochberg: adjusted(MultipleTesting.benjaminiHochberg))
  }

  /// As a file has them.
  public init(layers: Int, heads: Int, p: [Double], holm: [Double], benjaminiHochberg: [Double]) {
    (self.layers, self.heads) = (layers, heads)
    (self.p, self.holm, self.benjaminiHochberg) = (p, holm, benjaminiHochberg)
  }

  /// How p-values were corrected for the number of heads.
  public enum Correction: String, Sendable {
    case holm = "Holm"
    case benjaminiHochberg = "Benjamini-Hochberg"

    /// By which corrected p-values so many tests are marked: Holm's, where random flips can tell so small ones at all.
    /// Of more than 500 tests 10,000 flips can't: even one that every flip leaves behind has more than `level`.
    public init(tests: Int) {
      self = Double(tests) / Double(SignFlipTest.flips + 1) <= BeyondChance.level ? .holm : .benjaminiHochberg
    }
  }

  public var correction: Correction { Correction(tests: layers * heads) }

  /// Of `correction`. - Shape: [measure, layer, head]
  public var corrected: [Double] { correction == .holm ? holm : benjaminiHochberg }

  /// Whether a head looks at the object more than chance would, by `corrected`.
  public func isAbove(_ measure: Measure, layer: Int, head: Int, in table: HeadImpactTable) -> Bool {
    let at = table.index(measure, layer: layer, head: head)
    return corrected[at] <= Self.level && table.hi[at] > table.chance[at]
  }

  /// The heads that look at the object more than chance would, the best first; empty if none does.
  ///
  /// - Throws: as `Ranking.init(_:by:)`.
  public func headsAbove(_ ranked: RankedMeasure, in table: HeadImpactTable) throws -> [Ranking.Head] {
    try Ranking(table, by: ranked).heads.filter {
      isAbove(ranked.measure, layer: $0.layer, head: $0.head, in: table)
    }
  }
}

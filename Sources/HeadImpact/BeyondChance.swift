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

  /// By which corrected p-values heads are marked.
  public let correction: Correction
  /// The mean over images of an image's mean of value - chance, which is what is tested; nil in a file of an older
  /// version. - Shape: [measure, layer, head]
  public let difference: [Double]?

  /// - Parameters:
  ///   - images: how many the test was over.
  ///   - p: [measure, layer, head]; so too `difference`.
  /// - Throws: `HeadImpactError` if there are more or fewer, or a p-value isn't in (0, 1].
  public init(layers: Int, heads: Int, images: Int, p: [Double], difference: [Double]) throws {
    let perMeasure = layers * heads
    guard p.count == Measure.allCases.count * perMeasure, difference.count == p.count,
      p.allSatisfy({ $0 > 0 && $0 <= 1 })
    else {
      throw HeadImpactError(
        "\(p.count) p-values and \(difference.count) differences of \(layers) layers of \(heads) heads; there must be one for "
          + "each measure and head, p-values above 0 and at most 1")
    }
    func adjusted(_ adjust: ([Double]) -> [Double]) -> [Double] {
      stride(from: 0, to: p.count, by: perMeasure).flatMap { adjust(Array(p[$0..<$0 + perMeasure])) }
    }
    self.init(
      layers: layers, heads: heads, p: p, holm: adjusted(MultipleTesting.holm),
      benjaminiHochberg: adjusted(MultipleTesting.benjaminiHochberg),
      correction: Correction(images: images, tests: perMeasure), difference: difference)
  }

  /// As a file has them.
  public init(
    layers: Int, heads: Int, p: [Double], holm: [Double], benjaminiHochberg: [Double], correction: Correction,
    difference: [Double]?
  ) {
    (self.layers, self.heads) = (layers, heads)
    (self.p, self.holm, self.benjaminiHochberg) = (p, holm, benjaminiHochberg)
    (self.correction, self.difference) = (correction, difference)
  }

  /// How p-values are corrected for the number of heads.
  public enum Correction: String, Sendable {
    case holm = "Holm"
    case benjaminiHochberg = "Benjamini-Hochberg"

    /// By which corrected p-values so many tests over so many images are marked: Holm's, but where there are too many
    /// tests for random flips: then even one that every flip leaves behind would have more than `level`.
    public init(images: Int, tests: Int) {
      let isExact = images <= SignFlipTest.exactImages
      let smallest = SignFlipTest.smallestP(images: images, tests: tests)
      self = isExact || Double(tests) * smallest <= BeyondChance.level ? .holm : .benjaminiHochberg
    }

    /// By which a program marked whose test had 10,000 random flips, however many heads there were.
    public init(withTenThousandFlips tests: Int) { self = tests <= 500 ? .holm : .benjaminiHochberg }
  }

  /// The smallest p-value that a head can have, corrected by Holm, after a test over so many images: above `level`, these
  /// are too few for any head to be marked.
  public func smallestHolm(images: Int) -> Double {
    min(1, Double(layers * heads) * SignFlipTest.smallestP(images: images, tests: layers * heads))
  }

  /// Of `correction`. - Shape: [measure, layer, head]
  public var corrected: [Double] { correction == .holm ? holm : benjaminiHochberg }

  /// What a test says of a head.
  public enum Finding: Sendable, Equatable {
    /// It looks at the object more, or less, than chance would.
    case above
    case below
    case neither
  }

  /// What the test says of a head, by `corrected`. The test is of the mean over images, HI of that over samples: where
  /// images with many samples make one of them positive and the other negative, nothing is said.
  ///
  /// - Parameter index: of the measure, layer and head.
  public func finding(_ index: Int, in table: HeadImpactTable) -> Finding {
    guard corrected[index] <= Self.level else { return .neither }
    let overSamples = table.hi[index] - table.chance[index]
    let overImages = difference?[index] ?? overSamples
    if overSamples > 0, overImages > 0 { return .above }
    return overSamples < 0 && overImages < 0 ? .below : .neither
  }

  /// Whether a head looks at the object more than chance would, by `corrected`.
  public func isAbove(_ measure: Measure, layer: Int, head: Int, in table: HeadImpactTable) -> Bool {
    finding(table.index(measure, layer: layer, head: head), in: table) == .above
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

import HeadImpact

/// How two of the compared runs agree.
public struct PairComparison: Sendable, Equatable, Encodable {
  /// One head in both runs.
  public struct Head: Sendable, Equatable, Encodable {
    public let layer: Int
    public let head: Int
    public let first: Double
    public let second: Double
    /// second - first
    public let difference: Estimate
    /// Of a two-sided sign-flip test over the images; nil if the runs aren't paired. So too the next two.
    public let pValue: Double?
    /// Corrected over all heads, by Holm.
    public let pHolm: Double?
    /// Corrected over all heads, by Benjamini and Hochberg.
    public let pBH: Double?

    /// Whether the difference is one of the heads and not of the images drawn, by the p-value of `correction`.
    public let isDifferent: Bool
  }

  /// Their places among the runs.
  public let first: Int
  public let second: Int
  /// Whether both have the same samples, so that a difference is one of the same images.
  public let isPaired: Bool
  /// nil if the models differ in layers or heads: then no head of one is a head of the other.
  public let heads: HeadAgreement?
  public let layers: LayerAgreement
  /// By which corrected p-value heads are said to differ; nil where no difference is tested.
  public let correction: String?
  /// Each head's difference, [layer, head]; none where `heads` is nil, or if it wasn't asked for.
  public let differences: [Head]

  /// - Parameter differenceSeed: of the test of every head's difference; nil if it isn't asked for.
  init(
    _ first: Int, _ second: Int, _ runs: [ScoredHeads], isPaired: Bool, topHeads: Int, differenceSeed: UInt64?,
    parallel: @escaping Bootstrap.ParallelLoop
  ) throws {
    let (a, b) = (runs[first], runs[second])
    let sameShape = (a.layers, a.heads) == (b.layers, b.heads)
    self.first = first
    self.second = second
    self.isPaired = isPaired
    heads = sameShape ? HeadAgreement(a, b, topHeads: topHeads) : nil
    layers = LayerAgreement(a, b)
    guard sameShape, let differenceSeed else {
      (differences, correction) = ([], nil)
      return
    }
    let p = isPaired ? try Self.pValues(a, b, seed: differenceSeed, parallel) : nil
    let (holm, bh) = (p.map(MultipleTesting.holm), p.map(MultipleTesting.benjaminiHochberg))
    let correction = p.map { BeyondChance.Correction(images: a.imageCount, tests: $0.count) }
    self.correction = correction?.rawValue
    let corrected = correction == .holm ? holm : bh
    let resamples = min(a.resamples, b.resamples)
    differences = a.values.indices.map { index in
      let replicates = (0..<resamples).map {
        b.replicates[$0 * b.headCount + index] - a.replicates[$0 * a.headCount + index]
      }
      return Head(
        layer: index / a.heads, head: index % a.heads, first: a.values[index], second: b.values[index],
        difference: Estimate(b.values[index] - a.values[index], replicates: replicates), pValue: p?[index],
        pHolm: holm?[index], pBH: bh?[index],
        isDifferent: corrected.map { $0[index] <= BeyondChance.level } ?? false)
    }
  }

  /// - Shape: [layer, head]
  private static func pValues(
    _ a: ScoredHeads, _ b: ScoredHeads, seed: UInt64, _ parallel: @escaping Bootstrap.ParallelLoop
  ) throws -> [Double] {
    let differences = zip(a.images, b.images).map { $1 - $0 }
    // The test takes what lies in [-1, 1], and gives the same for any scale; a power of two changes no digit.
    let widest = differences.reduce(0) { max($0, $1.magnitude) }
    let scale = widest > 1 ? 1 / (2 * widest.binade) : 1
    let heads = a.headCount
    var test = try SignFlipTest(
      images: a.imageCount, values: heads, tests: heads, seed: seed, parallel: parallel)
    for image in 0..<a.imageCount { try test.add(differences[image * heads..<(image + 1) * heads].map { $0 * scale }) }
    return try test.pValues()
  }

  /// The heads whose difference is significant, the greatest without its sign first.
  public var differentHeads: [Head] {
    func size(_ head: Head) -> Double { (head.difference.value ?? 0).magnitude }
    return differences.filter(\.isDifferent).sorted {
      size($0) > size($1) || (size($0) == size($1) && ($0.layer, $0.head) < ($1.layer, $1.head))
    }
  }
}

import HeadImpact

/// The difference between two results on the same images, and its significance.
public struct PairedComparison: Sendable, Equatable, Encodable {
  /// How one metric differs.
  public struct Difference: Sendable, Equatable, Encodable {
    public let metric: String
    public let score: Double
    public let baseline: Double
    /// score - baseline
    public let difference: Double
    /// The 95% interval of the difference, from the paired bootstrap over images.
    public let lower: Double
    public let upper: Double
    /// Whether the interval excludes 0; otherwise the difference is not statistically significant.
    public let isDistinguishable: Bool
  }

  /// How many resamples there may be.
  public static let resampleCounts = 1...100_000

  public let images: Int
  public let resamples: Int
  public let seed: UInt64
  public let differences: [Difference]

  /// Compares the captions of two systems. BLEU is recomputed from the counts of each resample. CIDEr's document
  /// frequencies stay those of the whole set. METEOR, whose corpus score only its jar can compute, is compared by the
  /// mean over images.
  ///
  /// - Throws: `EvaluationError` if the images differ, there is one only, or `resamples` is out of range.
  public init(
    _ results: CaptionEvaluation, baseline: CaptionEvaluation, resamples: Int = 1000, seed: UInt64 = 0
  ) throws {
    try self.init(comparing: results, baseline, resamples, seed)
  }

  /// Compares the answers of two systems, by the means over the questions of the images drawn.
  ///
  /// - Throws: `EvaluationError` if the questions or the dialect differ, there is one image only, or `resamples` is out
  ///   of range.
  public init(_ results: VQAEvaluation, baseline: VQAEvaluation, resamples: Int = 1000, seed: UInt64 = 0) throws {
    guard results.questionIDs == baseline.questionIDs, results.dialect == baseline.dialect else {
      throw EvaluationError("two results can only be compared on the same questions, by the same rule")
    }
    try self.init(comparing: results, baseline, resamples, seed)
  }

  private init<R: Resampled>(comparing results: R, _ baseline: R, _ resamples: Int, _ seed: UInt64) throws {
    guard results.units == baseline.units, results.comparedMetrics == baseline.comparedMetrics else {
      throw EvaluationError("two results can only be compared on the same images, by the same metrics")
    }
    guard results.units.count > 1 else {
      throw EvaluationError("a comparison needs several images: there is one, and a bootstrap draws among them")
    }
    guard Self.resampleCounts.contains(resamples) else {
      throw EvaluationError("\(resamples) bootstrap resamples; must be in \(Self.resampleCounts)")
    }
    images = results.units.count
    self.resamples = resamples
    self.seed = seed
    let replicates = PairedBootstrap(resamples: resamples, seed: seed).replicates(results, baseline)
    let (score, other) = (Self.whole(results), Self.whole(baseline))
    differences = results.comparedMetrics.enumerated().map { at, metric in
      let sorted = replicates.map { $0.result[at] - $0.baseline[at] }.sorted()
      let (lower, upper) = (percentile(2.5, ofSorted: sorted), percentile(97.5, ofSorted: sorted))
      return Difference(
        metric: metric, score: score[at], baseline: other[at], difference: score[at] - other[at], lower: lower,
        upper: upper, isDistinguishable: lower > 0 || upper < 0)
    }
  }

  /// The metrics of all units.
  private static func whole(_ results: some Resampled) -> [Double] {
    let ones = [Int](repeating: 1, count: results.units.count)
    return results.metrics(
      ofSums: PairedBootstrap.total(results.sums, results.columns, ones), units: results.units.count)
  }
}

extension CaptionEvaluation: Resampled {
  private static let bleuColumns = 2 + 2 * NGramTable.longest
  /// Those of which the mean over images is taken.
  private var averaged: [CaptionMetric] { metrics.filter { !CaptionMetric.bleus.contains($0) } }

  var units: [Int64] { imageIDs }
  var comparedMetrics: [String] {
    (CaptionMetric.bleus + averaged).map { $0 == .meteor ? "METEOR_mean" : $0.rawValue }
  }
  var columns: Int { Self.bleuColumns + averaged.count }
  var sums: [Double] {
    let others = averaged.map { perImage[$0] ?? [] }
    return imageIDs.indices.flatMap { image -> [Double] in
      let counts = bleu[image]
      var row = [Double(counts.candidateLength), Double(counts.referenceLength)]
      for i in 0..<NGramTable.longest { row += [Double(counts.total[i]), Double(counts.matched[i])] }
      return row + others.map { $0[image] }
    }
  }

  func metrics(ofSums sums: [Double], units: Int) -> [Double] {
    var counts = BleuCounts()
    counts.candidateLength = Int(sums[0])
    counts.referenceLength = Int(sums[1])
    for i in 0..<NGramTable.longest {
      counts.total[i] = Int(sums[2 + 2 * i])
      counts.matched[i] = Int(sums[3 + 2 * i])
    }
    let scores = counts.scores
    return (0..<NGramTable.longest).map { scores[$0] } + sums[Self.bleuColumns...].map { $0 / Double(units) }
  }
}

extension VQAEvaluation: Resampled {
  /// The images that have questions, ascending.
  var units: [Int64] { Array(Set(imageIDs)).sorted() }
  var comparedMetrics: [String] { (accuracies == nil ? [] : ["accuracy"]) + ["exact_match"] }
  /// Questions, and the sum of each metric.
  var columns: Int { 1 + comparedMetrics.count }
  var sums: [Double] {
    let rows = Dictionary(uniqueKeysWithValues: units.enumerated().map { ($1, $0) })
    var sums = [Double](repeating: 0, count: rows.count * columns)
    let values = [accuracies, exactMatches].compactMap { $0 }
    for (question, image) in imageIDs.enumerated() {
      guard let row = rows[image] else { continue }
      sums[row * columns] += 1
      for (metric, values) in values.enumerated() { sums[row * columns + 1 + metric] += values[question] }
    }
    return sums
  }

  func metrics(ofSums sums: [Double], units: Int) -> [Double] { sums[1...].map { $0 / sums[0] } }
}

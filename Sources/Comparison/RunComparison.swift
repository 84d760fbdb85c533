import HeadImpact

/// Two or more scoring runs, compared.
public struct RunComparison: Sendable, Equatable, Encodable {
  public struct Options: Sendable, Equatable {
    public var ranked = RankedMeasure.matched
    /// How many of the best heads are listed and compared.
    public var topHeads = 10
    public var resamples = 1000
    public var seed: UInt64 = 0

    public init() {}
  }

  public struct Run: Sendable, Equatable, Encodable {
    public let name: String
    public let layers: Int
    public let headsPerLayer: Int
    /// How many samples are compared, and how many more the file has, which other runs lack.
    public let samples: Int
    public let samplesNotShared: Int
    public let images: Int
    /// [layer][head]: the mean over the compared samples.
    public let values: [[Double]]
    /// The best heads, the best first.
    public let topHeads: [Selection.Head]
    /// Spearman's correlation of the heads in two halves of the images, over seeded halvings: how far a run agrees with
    /// itself. nil if there are too few images.
    public let reliability: Estimate?
    /// All layers by the mean of their heads, the best first.
    public let layerOrder: [Int]
  }

  /// In how many of the runs a head is among the best.
  public struct Recurrence: Sendable, Equatable, Encodable {
    public let layer: Int
    public let head: Int
    public let runs: Int
    /// The mean of its values over the runs.
    public let meanValue: Double
    /// Its place in each run's order, from 1.
    public let ranks: [Int]
  }

  public let measure: Measure
  /// Whether the values are corrected for chance.
  public let isCorrected: Bool
  public let topHeads: Int
  public let resamples: Int
  public let seed: UInt64
  public let runs: [Run]
  public let attributes: AttributeTable
  /// Each two runs; those of the first run come first, with every head's difference.
  public let pairs: [PairComparison]
  /// Heads that are among the best of any run, those of most runs first; empty if the models differ in layers or heads.
  public let recurring: [Recurrence]

  /// - Parameters:
  ///   - scored: of each run, over its shared samples.
  /// - Throws: `ComparisonError` if an option is out of range.
  public init(
    _ runs: [ComparedRun], _ shared: SharedSamples, scored: [ScoredHeads], _ options: Options,
    parallel: @escaping Bootstrap.ParallelLoop = { tasks, body in for task in 0..<tasks { body(task) } }
  ) throws {
    precondition(runs.count == scored.count)
    let fewest = scored.map(\.headCount).min() ?? 0
    guard (1...fewest).contains(options.topHeads) else {
      throw ComparisonError("the \(options.topHeads) best heads can't be compared: a model has \(fewest) heads")
    }
    measure = options.ranked.measure
    isCorrected = options.ranked.isCorrected
    topHeads = options.topHeads
    resamples = options.resamples
    seed = options.seed
    attributes = AttributeTable(runs)
    let orders = scored.map { $0.order($0.values) }
    self.runs = runs.indices.map { index in
      let (run, heads) = (runs[index], scored[index])
      let used = shared.samples(of: index).count
      let layerScores = heads.layerScores(heads.values)
      return Run(
        name: run.name, layers: run.layers, headsPerLayer: run.heads, samples: used,
        samplesNotShared: run.samples.count - used, images: heads.imageCount,
        values: (0..<run.layers).map { Array(heads.values[$0 * run.heads..<($0 + 1) * run.heads]) },
        topHeads: orders[index].prefix(options.topHeads).map(heads.head), reliability: heads.reliability,
        layerOrder: heads.order(layerScores))
    }
    pairs = try runs.indices.flatMap { first in
      try (first + 1..<runs.count).map { second in
        try PairComparison(
          first, second, scored, isPaired: shared.isPaired(first, second), topHeads: options.topHeads,
          differenceSeed: first == 0 ? options.seed : nil, parallel: parallel)
      }
    }
    recurring = Self.recurring(scored, orders, topHeads: options.topHeads)
  }

  public var ranked: RankedMeasure { RankedMeasure(measure, isCorrected: isCorrected) }

  /// The seed of a group's bootstrap: groups draw independently of each other.
  public static func seed(_ seed: UInt64, group: Int) -> UInt64 {
    group == 0 ? seed : SplitMix64(seed: seed)[UInt64(group)]
  }

  private static func recurring(_ runs: [ScoredHeads], _ orders: [[Int]], topHeads: Int) -> [Recurrence] {
    guard let first = runs.first, runs.allSatisfy({ ($0.layers, $0.heads) == (first.layers, first.heads) }) else {
      return []
    }
    let places = orders.map { order in
      var places = [Int](repeating: 0, count: order.count)
      for (place, head) in order.enumerated() { places[head] = place + 1 }
      return places
    }
    return (0..<first.headCount).compactMap { index -> Recurrence? in
      let ranks = places.map { $0[index] }
      let count = ranks.filter { $0 <= topHeads }.count
      guard count > 0 else { return nil }
      let head = first.head(index)
      return Recurrence(
        layer: head.layer, head: head.head, runs: count,
        meanValue: runs.reduce(0) { $0 + $1.values[index] } / Double(runs.count), ranks: ranks)
    }.sorted { a, b in
      if a.runs != b.runs { return a.runs > b.runs }
      if a.meanValue != b.meanValue { return a.meanValue > b.meanValue }
      return (a.layer, a.head) < (b.layer, b.head)
    }
  }
}

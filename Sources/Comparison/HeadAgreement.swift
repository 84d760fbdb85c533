import HeadImpact

/// How the heads of two runs of equally many layers and heads agree.
public struct HeadAgreement: Sendable, Equatable, Encodable {
  /// Spearman's rank correlation of the heads' values, and Pearson's correlation of the values themselves.
  public let spearman: Estimate
  public let pearson: Estimate
  /// The mean over all heads of second - first.
  public let meanDifference: Estimate
  /// Of more and more of the best heads; ascending by their number.
  public let overlaps: [TopOverlap]
  /// The overlap of as many as were asked for; one of `overlaps`.
  public let topOverlap: TopOverlap
  /// The best heads of both; in the first run's order.
  public let sharedTop: [Selection.Head]

  /// - Parameter topHeads: 1...all heads
  init(_ first: ScoredHeads, _ second: ScoredHeads, topHeads: Int) {
    precondition((first.layers, first.heads) == (second.layers, second.heads))
    let scales = ScoredHeads.scales(first, second)
    let parts = scales.indices.map { (first.part($0), second.part($0)) }
    func correlation(_ statistic: ([Double], [Double]) -> Double?) -> Estimate {
      Estimate(
        statistic(first.values, second.values), parts: parts.map { statistic($0.0, $0.1) }, scales: scales,
        bounds: -1...1, isCorrelation: true)
    }
    spearman = correlation(RankCorrelation.spearman)
    pearson = correlation(RankCorrelation.pearson)
    func meanDifference(_ a: [Double], _ b: [Double]) -> Double {
      zip(a, b).reduce(0) { $0 + ($1.1 - $1.0) } / Double(a.count)
    }
    self.meanDifference = Estimate(
      meanDifference(first.values, second.values),
      replicates: (0..<min(first.resamples, second.resamples)).map {
        meanDifference(first.replicate($0), second.replicate($0))
      })

    let counts = TopOverlap.counts(of: first.headCount, asked: topHeads)
    let (order, otherOrder) = (first.order(first.values), second.order(second.values))
    let shared = TopOverlap.shared(counts, order, otherOrder)
    let sharedInParts = parts.map { TopOverlap.shared(counts, first.order($0.0), second.order($0.1)) }
    let overlaps = counts.enumerated().map { index, count in
      TopOverlap(
        count: count, of: first.headCount, shared: shared[index], parts: sharedInParts.map { $0[index] }, scales: scales
      )
    }
    self.overlaps = overlaps
    topOverlap = overlaps[counts.firstIndex(of: topHeads) ?? 0]
    let others = Set(otherOrder.prefix(topHeads))
    sharedTop = order.prefix(topHeads).filter(others.contains).map(first.head)
  }
}

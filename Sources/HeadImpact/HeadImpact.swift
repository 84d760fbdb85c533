/// Head Impact of every head in one sample.
///
/// Heads are numbered over all layers: head h of layer l is `l * headsPerLayer + h`.
public struct HeadImpacts: Sendable, Equatable {
  /// - Shape: [measure, heads], the measures in the order of `Measure.allCases`; so too the next two.
  public var hi: [Double]
  /// The same with the mask moved to every other place, averaged.
  public var chance: [Double]
  /// The same with the scores of sink tokens set to 0.
  public var nosink: [Double]
  /// The share of each head's attention that sink tokens take. - Shape: [heads]
  public var sinkShare: [Double]
  /// - Shape: [V]
  public var isSink: [Bool]
}

/// Compares the attention of every head with the object's mask: Head Impact.
///
/// Source: arXiv 2511.23375; all six measures, chance and sinks in one pass, in float64.
///
/// - Parameters:
///   - scores: [heads, V]; each head's attention on the visual tokens, averaged over the caption's tokens.
///   - heads: the number of heads in all layers together.
///   - mask: [V]; the visual tokens that the object covers.
///   - views: the grids that the visual tokens form, in order; together V cells.
///   - sinkFactor: `HeadImpactOptions.sinkFactor`.
/// - Throws: `HeadImpactError` if shapes disagree, or a score is negative or not finite.
/// - Complexity: O(heads * (V + shifts * runs)), runs being the horizontal runs in the mask (a few per row of an
///   object).
public func headImpacts(
  scores: Span<Float>, heads: Int, mask: TokenMask, views: [ViewGrid], sinkFactor: Double = 10
) throws -> HeadImpacts {
  try scores.withUnsafeBufferPointer {
    try headImpacts(scores: $0, heads: heads, mask: mask, views: views, sinkFactor: sinkFactor)
  }
}

/// As above, of scores wherever they lie.
public func headImpacts(
  scores: UnsafeBufferPointer<Float>, heads: Int, mask: TokenMask, views: [ViewGrid], sinkFactor: Double = 10
) throws -> HeadImpacts {
  let count = mask.isObject.count
  try check(scores: scores, heads: heads, visualTokens: count, views: views)
  let measures = Measure.allCases
  var result = HeadImpacts(
    hi: [Double](repeating: 0, count: measures.count * heads), chance: [], nosink: [],
    sinkShare: [Double](repeating: 0, count: heads), isSink: sinks(scores: scores, heads: heads, factor: sinkFactor))
  result.chance = result.hi
  let anySink = result.isSink.contains(true)
  if anySink { result.nosink = result.hi }

  let chance = Chance(of: mask, views: views)
  var scratch = Chance.Scratch()
  var head = HeadAttention(visualTokens: count)
  for h in 0..<heads {
    let attention = UnsafeBufferPointer(rebasing: scores[(h * count)..<((h + 1) * count)])
    head.read(attention, ignoring: nil, maskCount: mask.count)
    let shared = head.overlap(with: mask)
    let byChance = chance.values(head, &scratch)
    for (m, measure) in measures.enumerated() {
      result.hi[m * heads + h] = measure.headImpact(head, sharing: shared, maskCount: mask.count)
      result.chance[m * heads + h] = byChance[m]
    }
    if anySink {
      result.sinkShare[h] = sinkShare(attention, result.isSink)
      head.read(attention, ignoring: result.isSink, maskCount: mask.count)
      let shared = head.overlap(with: mask)
      for (m, measure) in measures.enumerated() {
        result.nosink[m * heads + h] = measure.headImpact(head, sharing: shared, maskCount: mask.count)
      }
    }
  }
  if !anySink { result.nosink = result.hi }
  return result
}

private func check(
  scores: UnsafeBufferPointer<Float>, heads: Int, visualTokens count: Int, views: [ViewGrid]
) throws {
  guard heads > 0, count > 0, scores.count == heads * count else {
    throw HeadImpactError("\(scores.count) attention scores for \(heads) heads and \(count) visual tokens")
  }
  guard count <= TokenSetCounts.maximumVisualTokens else {
    throw HeadImpactError("\(count) visual tokens: at most \(TokenSetCounts.maximumVisualTokens) can be scored")
  }
  guard views.allSatisfy({ (1...count).contains($0.rows) && (1...count).contains($0.cols) }),
    views.reduce(0, { $0 + $1.rows * $1.cols }) == count
  else {
    let grids = views.map { "\($0.rows) x \($0.cols)" }.joined(separator: ", ")
    throw HeadImpactError("the views' grids (\(grids)) don't make up the \(count) visual tokens")
  }
  let shifts = (views.map(\.rows).max() ?? 0) * (views.map(\.cols).max() ?? 0)
  guard shifts <= 1 << 20 else {
    throw HeadImpactError("the views' grids have \(shifts) cyclic shifts: chance takes at most \(1 << 20)")
  }
  for (i, score) in scores.enumerated() where !(score >= 0 && score.isFinite) {
    guard score.isFinite else {
      throw UnusableSample.attentionNotFinite(head: i / count, visualToken: i % count, score: score)
    }
    throw HeadImpactError(
      "head \(i / count) (counted over all layers) gives visual token \(i % count) the attention score \(score): "
        + "it must not be negative")
  }
}

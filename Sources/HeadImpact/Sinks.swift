/// Visual tokens that attract attention regardless of the text: their score, averaged over all layers and heads, is
/// more than `factor` times that of the median visual token.
///
/// - Parameters:
///   - scores: [heads, V]
///   - factor: `HeadImpactOptions.sinkFactor`
/// - Returns: [V]
/// - Complexity: O(heads * V + V log V)
public func sinks(scores: UnsafeBufferPointer<Float>, heads: Int, factor: Double) -> [Bool] {
  precondition(heads > 0 && scores.count % heads == 0 && scores.count > 0)
  let count = scores.count / heads
  var mean = [Double](repeating: 0, count: count)
  mean.withUnsafeMutableBufferPointer { mean in
    for head in 0..<heads {
      for v in 0..<count { mean[v] += Double(scores[head * count + v]) }
    }
    for v in 0..<count { mean[v] /= Double(heads) }
  }
  let sorted = mean.sorted()
  let median = count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2
  return mean.map { $0 > factor * median }
}

/// The share of a head's attention on the visual tokens that the sinks take; 0 if there is no attention at all.
/// - Parameter attention: [V]
func sinkShare(_ attention: UnsafeBufferPointer<Float>, _ isSink: [Bool]) -> Double {
  var taken = 0.0
  var sum = 0.0
  for (v, score) in attention.enumerated() {
    sum += Double(score)
    if isSink[v] { taken += Double(score) }
  }
  return sum > 0 ? taken / sum : 0
}

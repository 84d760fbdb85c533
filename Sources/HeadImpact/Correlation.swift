/// Correlations of two lists of numbers, such as the heads' values in two runs.
public enum Correlation {
  /// Pearson's: NaN if one of the lists has all values equal, or there are fewer than two.
  ///
  /// - Parameters:
  ///   - x: finite numbers; so too y, as many.
  public static func pearson(_ x: [Double], _ y: [Double]) -> Double {
    precondition(x.count == y.count)
    guard x.count > 1 else { return .nan }
    let count = Double(x.count)
    let (meanX, meanY) = (x.reduce(0, +) / count, y.reduce(0, +) / count)
    var (squaresX, squaresY, products) = (0.0, 0.0, 0.0)
    for (a, b) in zip(x, y) {
      squaresX += (a - meanX) * (a - meanX)
      squaresY += (b - meanY) * (b - meanY)
      products += (a - meanX) * (b - meanY)
    }
    guard squaresX > 0, squaresY > 0 else { return .nan }
    return min(1, max(-1, products / (squaresX.squareRoot() * squaresY.squareRoot())))
  }

  /// Spearman's: Pearson's of the ranks, equal values having the mean of theirs.
  ///
  /// - Parameters:
  ///   - x: finite numbers; so too y, as many.
  /// - Complexity: O(n log n)
  public static func spearman(_ x: [Double], _ y: [Double]) -> Double {
    precondition(x.count == y.count)
    return pearson(ranks(x), ranks(y))
  }

  /// The place of each value in ascending order, from 1; equal values have the mean of their places.
  public static func ranks(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { values[$0] < values[$1] }
    var ranks = [Double](repeating: 0, count: values.count)
    var first = 0
    while first < order.count {
      var end = first + 1
      while end < order.count, values[order[end]] == values[order[first]] { end += 1 }
      for place in first..<end { ranks[order[place]] = Double(first + 1 + end) / 2 }
      first = end
    }
    return ranks
  }
}

/// Agreement of two orders of the same things.
public enum RankCorrelation {
  /// Spearman's rank correlation: Pearson's of the ranks, equal values sharing the mean of theirs.
  ///
  /// - Returns: nil where it is undefined: fewer than two values, or all of one list equal.
  public static func spearman(_ a: [Double], _ b: [Double]) -> Double? {
    precondition(a.count == b.count)
    return pearson(ranks(a), ranks(b))
  }

  /// Ranks from 1 for the least; equal values share the mean of theirs.
  public static func ranks(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { values[$0] < values[$1] }
    var ranks = [Double](repeating: 0, count: values.count)
    var first = 0
    while first < order.count {
      var last = first
      while last + 1 < order.count, values[order[last + 1]] == values[order[first]] { last += 1 }
      for place in first...last { ranks[order[place]] = Double(first + last) / 2 + 1 }
      first = last + 1
    }
    return ranks
  }

  /// Pearson's correlation; nil where it is undefined.
  public static func pearson(_ a: [Double], _ b: [Double]) -> Double? {
    let n = Double(a.count)
    let (meanA, meanB) = (a.reduce(0, +) / n, b.reduce(0, +) / n)
    var (products, squaresA, squaresB) = (0.0, 0.0, 0.0)
    for (x, y) in zip(a, b) {
      products += (x - meanA) * (y - meanB)
      squaresA += (x - meanA) * (x - meanA)
      squaresB += (y - meanB) * (y - meanB)
    }
    guard squaresA > 0, squaresB > 0 else { return nil }
    return max(-1, min(1, products / (squaresA * squaresB).squareRoot()))
  }
}

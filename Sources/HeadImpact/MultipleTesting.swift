/// P-values of several tests together.
public enum MultipleTesting {
  /// Holm's step-down correction: whoever calls significant what is at most alpha errs at all with a chance of at most
  /// alpha.
  ///
  /// Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
  public static func holm(_ p: [Double]) -> [Double] {
    var adjusted = p
    var greatest = 0.0
    for (rank, index) in ascending(p).enumerated() {
      greatest = max(greatest, min(1, p[index] * Double(p.count - rank)))
      adjusted[index] = greatest
    }
    return adjusted
  }

  /// Benjamini and Hochberg's step-up correction: of what is called significant at alpha, a share of at most alpha is
  /// expected to be so by chance.
  ///
  /// Source: Benjamini and Hochberg, Controlling the false discovery rate, 1995.
  public static func benjaminiHochberg(_ p: [Double]) -> [Double] {
    var adjusted = p
    var least = 1.0
    for (rank, index) in ascending(p).enumerated().reversed() {
      least = min(least, p[index] * Double(p.count) / Double(rank + 1))
      adjusted[index] = least
    }
    return adjusted
  }

  private static func ascending(_ p: [Double]) -> [Int] {
    p.indices.sorted { p[$0] < p[$1] || (p[$0] == p[$1] && $0 < $1) }
  }
}

/// Head Impact by the size of the object: the samples in four parts of the same number, the smallest masks first.
public struct SizeQuarters: Sendable, Equatable {
  /// One quarter of the samples.
  public struct Quarter: Sendable, Equatable {
    /// The least and greatest share of the visual tokens that a mask takes; 0...0 where there is no sample.
    public let shares: ClosedRange<Double>
    public let samples: Int
    /// - Shape: [layer, head]; so too the next three. NaN where there is no sample.
    public let hi: [Double]
    public let stderr: [Double]
    public let chance: [Double]
    /// The mean of the samples' corrected values, and its standard error; NaN where none has one.
    public let corrected: [Double]
    public let correctedStderr: [Double]
  }

  /// The share of the visual tokens that each sample's mask takes.
  private let shares: [Double]
  /// - Shape: [sample]
  private let quarterOfSample: [Int]
  private let heads: Int
  private var sums: [Sums]

  private struct Sums: Sendable, Equatable {
    var samples = 0
    /// hi, its square, chance, corrected, its square, number of corrected. - Shape: [sum][head]
    var values: [[Double]]
  }

  /// - Parameters:
  ///   - shares: mask tokens over visual tokens of each sample; of equal ones the earlier sample counts as the smaller.
  ///   - heads: of all layers together.
  public init(shares: [Double], heads: Int) {
    let order = shares.indices.sorted { shares[$0] < shares[$1] || (shares[$0] == shares[$1] && $0 < $1) }
    var quarters = [Int](repeating: 0, count: shares.count)
    for (place, sample) in order.enumerated() { quarters[sample] = 4 * place / shares.count }
    self.shares = shares
    self.heads = heads
    quarterOfSample = quarters
    let none = [[Double]](repeating: [Double](repeating: 0, count: heads), count: 6)
    sums = [Sums](repeating: Sums(values: none), count: 4)
  }

  /// Adds a sample; each once, in the same order where the same bits are wanted.
  ///
  /// - Parameters:
  ///   - sample: its place in `shares`.
  ///   - values: of one measure. - Shape: [layer, head]; so too `chance`.
  public mutating func add(sample: Int, _ values: some Collection<Float>, chance: some Collection<Float>) {
    precondition(values.count == heads && chance.count == heads)
    let quarter = quarterOfSample[sample]
    sums[quarter].samples += 1
    for (head, (value, chance)) in zip(values, chance).enumerated() {
      let (value, chance) = (Double(value), Double(chance))
      sums[quarter].values[0][head] += value
      sums[quarter].values[1][head] += value * value
      sums[quarter].values[2][head] += chance
      guard let corrected = correctedForChance(value, chance: chance) else { continue }
      sums[quarter].values[3][head] += corrected
      sums[quarter].values[4][head] += corrected * corrected
      sums[quarter].values[5][head] += 1
    }
  }

  /// The four, the smallest masks first.
  public var quarters: [Quarter] {
    sums.enumerated().map { index, sums in
      let own = quarterOfSample.indices.filter { quarterOfSample[$0] == index }.map { shares[$0] }
      let count = [Double](repeating: Double(sums.samples), count: heads)
      let values = sums.values
      return Quarter(
        shares: (own.min() ?? 0)...(own.max() ?? 0), samples: sums.samples, hi: Self.means(values[0], count),
        stderr: Self.stderrs(values[0], values[1], count), chance: Self.means(values[2], count),
        corrected: Self.means(values[3], values[5]), correctedStderr: Self.stderrs(values[3], values[4], values[5]))
    }
  }

  private static func means(_ sums: [Double], _ counts: [Double]) -> [Double] { zip(sums, counts).map { $0 / $1 } }

  private static func stderrs(_ sums: [Double], _ squares: [Double], _ counts: [Double]) -> [Double] {
    sums.indices.map { head in
      let n = counts[head]
      guard n > 1 else { return .nan }
      return (max(0, squares[head] - sums[head] * sums[head] / n) / (n - 1) / n).squareRoot()
    }
  }
}

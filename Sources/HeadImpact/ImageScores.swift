/// One image's values of one measure, added up over its samples: what reliability is drawn from.
public struct ImageScores: Sendable, Equatable {
  /// - Shape: [layer, head]; so too `counts`.
  public private(set) var sums: [Double]
  /// How many samples each sum is over; a sample without a corrected value is not counted.
  public private(set) var counts: [Double]

  /// No sample yet.
  /// - Parameter heads: of all layers together.
  public init(heads: Int) {
    sums = [Double](repeating: 0, count: heads)
    counts = sums
  }

  /// Adds a sample.
  ///
  /// - Parameters:
  ///   - values: [layer, head], of one measure, as `/sample_hi` has them.
  ///   - chance: the same of `/sample_chance`, to correct by; nil to take the values as they are.
  public mutating func add(_ values: some Collection<Float>, chance: (some Collection<Float>)?) {
    precondition(values.count == sums.count && (chance.map { $0.count == sums.count } ?? true))
    guard let chance else {
      for (i, value) in values.enumerated() {
        sums[i] += Double(value)
        counts[i] += 1
      }
      return
    }
    for (i, (value, chance)) in zip(values, chance).enumerated() {
      guard let value = correctedForChance(Double(value), chance: Double(chance)) else { continue }
      sums[i] += value
      counts[i] += 1
    }
  }
}

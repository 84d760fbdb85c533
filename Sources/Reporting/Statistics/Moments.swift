/// The mean of numbers, and its standard error.
struct Moments: Sendable, Equatable {
  private(set) var count = 0
  private(set) var mean = 0.0
  /// The sum of squares of distances from the mean (Welford).
  private var squares = 0.0

  init() {}

  init(_ values: some Sequence<Double>) { for value in values { add(value) } }

  mutating func add(_ value: Double) {
    count += 1
    let distance = value - mean
    mean += distance / Double(count)
    squares += distance * (value - mean)
  }

  /// With n - 1; NaN for fewer than two.
  var standardDeviation: Double { count > 1 ? (squares / Double(count - 1)).squareRoot() : .nan }

  /// Of the mean; NaN for fewer than two.
  var standardError: Double { standardDeviation / Double(count).squareRoot() }
}

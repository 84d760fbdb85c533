import HeadImpact

/// A number measured over images, with the 95% interval of the bootstrap over them.
public struct Estimate: Sendable, Equatable, Encodable {
  /// nil if the number is not defined: a rank correlation with values that are all equal.
  public let value: Double?
  /// nil if there is no interval: there is one image only, or the number is not defined in a resample.
  public let lower: Double?
  public let upper: Double?

  /// - Parameter replicates: the number in each resample; none if there is no bootstrap.
  public init(_ value: Double?, replicates: [Double?]) {
    self.value = value
    let sorted = replicates.compactMap { $0 }.sorted()
    guard value != nil, !replicates.isEmpty, sorted.count == replicates.count else {
      (lower, upper) = (nil, nil)
      return
    }
    lower = percentile(BootstrapIntervals.percentiles[0], ofSorted: sorted)
    upper = percentile(BootstrapIntervals.percentiles[1], ofSorted: sorted)
  }

  init(_ reliability: Reliability.Estimate) {
    func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
    (value, lower, upper) = (finite(reliability.mean), finite(reliability.lower), finite(reliability.upper))
  }

  /// Whether the interval lies on one side of 0; false without an interval.
  public var isBeyondZero: Bool {
    guard let lower, let upper else { return false }
    return lower > 0 || upper < 0
  }
}

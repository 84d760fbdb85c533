import HeadImpact

/// A number measured over images, with the 95% interval of the bootstrap over them.
public struct Estimate: Sendable, Equatable, Encodable {
  /// nil if the number is not defined: a rank correlation with values that are all equal.
  public let value: Double?
  /// nil if there is no interval: there is one image only, or the number is not defined in a resample.
  public let lower: Double?
  public let upper: Double?

  /// - Parameter replicates: the number in each resample; none if there is no bootstrap.
  public init(_ value: Double, replicates: [Double]) {
    self.value = value.isFinite ? value : nil
    guard value.isFinite, !replicates.isEmpty, replicates.allSatisfy(\.isFinite) else {
      (lower, upper) = (nil, nil)
      return
    }
    let sorted = replicates.sorted()
    lower = percentile(BootstrapIntervals.percentiles[0], ofSorted: sorted)
    upper = percentile(BootstrapIntervals.percentiles[1], ofSorted: sorted)
  }

  /// Whether the interval lies on one side of 0; false without an interval.
  public var isBeyondZero: Bool {
    guard let lower, let upper else { return false }
    return lower > 0 || upper < 0
  }
}

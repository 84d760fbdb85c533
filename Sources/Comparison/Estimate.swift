import Foundation
import HeadImpact

/// A number measured over images, with its 95% interval.
public struct Estimate: Sendable, Equatable, Encodable {
  /// nil if the number is not defined: a rank correlation with values that are all equal.
  public let value: Double?
  /// nil if there is no interval: there are too few images, or the number is not defined in one of the parts or resamples.
  public let lower: Double?
  public let upper: Double?

  /// With the interval of the bootstrap over images: for means, and differences of them.
  ///
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

  /// With the interval of the jackknife: for statistics of orders. It is symmetric round the value, for correlations on the
  /// scale of Fisher's z, where their scatter is even; so it always holds the value.
  ///
  /// - Parameters:
  ///   - parts: the number in each part of the images; none if there are too few images.
  ///   - scales: of each part, as `ThirdsLeftOut.scales`.
  ///   - bounds: of such numbers.
  init(_ value: Double?, parts: [Double?], scales: [Double], bounds: ClosedRange<Double>, isCorrelation: Bool) {
    self.value = value
    let known = parts.compactMap { $0 }
    guard let value, !parts.isEmpty, known.count == parts.count else {
      (lower, upper) = (nil, nil)
      return
    }
    // A correlation of 1 has no z.
    let usesZ = isCorrelation && (known + [value]).allSatisfy { $0.magnitude < 1 }
    let scattered = usesZ ? known.map(atanh) : known
    let mean = scattered.reduce(0, +) / Double(scattered.count)
    let squares = zip(scattered, scales).reduce(0) { sum, part in
      let distance = part.1 * (part.0 - mean)
      return sum + distance * distance
    }
    let room = Self.normalQuantile * (squares / Double(scattered.count)).squareRoot()
    if usesZ {
      (lower, upper) = (min(value, tanh(atanh(value) - room)), max(value, tanh(atanh(value) + room)))
    } else {
      (lower, upper) = (max(bounds.lowerBound, value - room), min(bounds.upperBound, value + room))
    }
  }

  /// Of 97.5%.
  private static let normalQuantile = 1.959963984540054

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

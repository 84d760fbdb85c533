import Foundation

/// Round numbers along an axis.
public struct Ticks: Sendable, Equatable {
  public let values: [Double]
  /// How many decimals their labels need.
  public let decimals: Int

  /// Multiples of 1, 2 or 5 times a power of ten inside [lower, upper].
  ///
  /// - Parameter count: about how many; there may be up to twice as many, or half.
  public init(_ lower: Double, _ upper: Double, about count: Int) {
    precondition(upper > lower && lower.isFinite && upper.isFinite && count > 0)
    self.init(lower, upper, step: Self.step((upper - lower) / Double(count)))
  }

  /// Multiples of `step` inside [lower, upper].
  private init(_ lower: Double, _ upper: Double, step: Double) {
    decimals = max(0, Int((-log10(step) - 1e-9).rounded(.up)))
    let slack = step * 1e-9
    values = stride(from: ((lower - slack) / step).rounded(.up), through: (upper + slack) / step, by: 1).map {
      $0 * step
    }
  }

  /// Multiples of a round step from the one at or below `lower` to the one at or above `upper`.
  public static func around(_ lower: Double, _ upper: Double, about count: Int) -> Ticks {
    let step = step((upper - lower) / Double(count))
    let slack = step * 1e-6
    let first = ((lower + slack) / step).rounded(.down) * step
    let last = ((upper - slack) / step).rounded(.up) * step
    return Ticks(first, last, step: step)
  }

  /// 1, 2 and 5 times powers of ten inside [lower, upper], for a logarithmic axis of whole numbers.
  public init(logarithmic lower: Double, _ upper: Double) {
    precondition(lower >= 1 && upper > lower)
    var values: [Double] = []
    var power = 1.0
    while power <= upper {
      values += [1, 2, 5].map { $0 * power }.filter { (lower...upper).contains($0) }
      power *= 10
    }
    self.values = values
    decimals = 0
  }

  /// Every n-th of the places 0..<count, n being 1, 2 or 5 times a power of ten, at least `room` apart.
  ///
  /// - Parameters:
  ///   - spacing: between neighbouring places. - Units: pixels.
  ///   - room: what a label needs. - Units: pixels.
  public init(places count: Int, spacing: Double, room: Double) {
    let step = max(1, Int(Self.step(max(1, room / spacing) - 1e-9)))
    values = stride(from: 0, to: count, by: step).map(Double.init)
    decimals = 0
  }

  public func label(_ value: Double) -> String { NumberText.number(value, decimals: decimals) }

  /// The least of 1, 2, 5 times a power of ten that is at least `least`.
  private static func step(_ least: Double) -> Double {
    let power = pow(10, log10(least).rounded(.down))
    return [1, 2, 5, 10].map { $0 * power }.first { $0 >= least * (1 - 1e-9) } ?? 10 * power
  }
}

/// From numbers to pixels.
public struct Axis: Sendable {
  public let domain: ClosedRange<Double>
  /// Where the domain's bounds lie; the second is the smaller for an axis that goes up. - Units: pixels.
  public let pixels: (Double, Double)
  public let ticks: Ticks
  public let isLogarithmic: Bool

  /// An axis over `values`, widened to the round numbers around them.
  public init(_ values: [Double], pixels: (Double, Double), about count: Int = 5) {
    let finite = values.filter(\.isFinite)
    var lower = finite.min() ?? 0
    var upper = finite.max() ?? 1
    if upper - lower <= abs(upper) * 1e-9 {
      let room = max(abs(upper) * 0.1, 0.05)
      (lower, upper) = (lower - room, upper + room)
    }
    let ticks = Ticks.around(lower, upper, about: count)
    let bounds = min(lower, ticks.values.first ?? lower)...max(upper, ticks.values.last ?? upper)
    self.init(domain: bounds, pixels: pixels, ticks: ticks)
  }

  public init(domain: ClosedRange<Double>, pixels: (Double, Double), ticks: Ticks, isLogarithmic: Bool = false) {
    self.domain = domain
    self.pixels = pixels
    self.ticks = ticks
    self.isLogarithmic = isLogarithmic
  }

  /// The ticks whose labels have room beside one another, those nearest to 0 first.
  public var labelled: [Double] {
    var taken: [ClosedRange<Double>] = []
    return ticks.values.sorted { abs($0) < abs($1) }.filter { tick in
      let half = textWidth(ticks.label(tick), size: Theme.Size.tick) / 2 + 3
      let range = self(tick) - half...self(tick) + half
      guard !taken.contains(where: { $0.overlaps(range) }) else { return false }
      taken.append(range)
      return true
    }
  }

  /// - Returns: in pixels.
  public func callAsFunction(_ value: Double) -> Double {
    let (lower, upper) = (domain.lowerBound, domain.upperBound)
    let share =
      isLogarithmic
      ? (log(value) - log(lower)) / (log(upper) - log(lower)) : (value - lower) / (upper - lower)
    return pixels.0 + (pixels.1 - pixels.0) * share
  }
}

/// How values become colours.
public struct ColourScale: Sendable {
  public let palette: Palette
  public let domain: ClosedRange<Double>
  /// The part of the domain that values lie in: what a colour bar shows.
  public let shown: ClosedRange<Double>
  public let ticks: Ticks

  /// - Parameter shown: the whole domain by default.
  public init(
    palette: Palette, domain: ClosedRange<Double>, shown: ClosedRange<Double>? = nil, ticks: Ticks
  ) {
    self.palette = palette
    self.domain = domain
    self.shown = shown ?? domain
    self.ticks = ticks
  }

  /// From 0 to the highest value.
  public static func sequential(_ values: [Double]) -> ColourScale {
    let highest = values.filter(\.isFinite).max() ?? 0
    let ticks = Ticks(0, highest > 0 ? highest : 1, about: 5)
    return ColourScale(palette: .sequential, domain: 0...(highest > 0 ? highest : 1), ticks: ticks)
  }

  /// As far below 0 as above; 0 is the palette's near-white middle.
  public static func diverging(_ values: [Double]) -> ColourScale {
    let finite = values.filter(\.isFinite)
    let widest = finite.map(abs).max() ?? 0
    guard widest > 0 else { return diverging(upTo: 1) }
    let (lower, upper) = (min(0, finite.min() ?? 0), max(0, finite.max() ?? 0))
    return ColourScale(
      palette: .diverging, domain: -widest...widest, shown: lower...upper, ticks: Ticks(lower, upper, about: 4))
  }

  public static func diverging(upTo bound: Double) -> ColourScale {
    ColourScale(palette: .diverging, domain: -bound...bound, ticks: Ticks(-bound, bound, about: 4))
  }

  /// Nil for what is not a number.
  public func oklab(_ value: Double) -> Oklab? {
    guard value.isFinite else { return nil }
    return palette.oklab(at: (value - domain.lowerBound) / (domain.upperBound - domain.lowerBound))
  }
}

/// How values become colours.
public struct ColourScale: Sendable {
  public let palette: Palette
  public let domain: ClosedRange<Double>
  public let ticks: Ticks

  public init(palette: Palette, domain: ClosedRange<Double>, ticks: Ticks) {
    self.palette = palette
    self.domain = domain
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
    let widest = values.filter(\.isFinite).map(abs).max() ?? 0
    return diverging(upTo: widest > 0 ? widest : 1)
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

import Figures

/// How values become colours.
struct ColourScale: Sendable {
  let palette: Palette
  let domain: ClosedRange<Double>
  let ticks: Ticks

  /// From 0 to the highest value.
  static func sequential(_ values: [Double]) -> ColourScale {
    let highest = values.filter(\.isFinite).max() ?? 0
    let ticks = Ticks(0, highest > 0 ? highest : 1, about: 5)
    return ColourScale(palette: .sequential, domain: 0...(highest > 0 ? highest : 1), ticks: ticks)
  }

  /// As far below 0 as above; 0 is the palette's near-white middle.
  static func diverging(_ values: [Double]) -> ColourScale {
    let widest = values.filter(\.isFinite).map(abs).max() ?? 0
    return diverging(upTo: widest > 0 ? widest : 1)
  }

  static func diverging(upTo bound: Double) -> ColourScale {
    ColourScale(palette: .diverging, domain: -bound...bound, ticks: Ticks(-bound, bound, about: 4))
  }

  /// Nil for what is not a number.
  func oklab(_ value: Double) -> Oklab? {
    guard value.isFinite else { return nil }
    return palette.oklab(at: (value - domain.lowerBound) / (domain.upperBound - domain.lowerBound))
  }
}

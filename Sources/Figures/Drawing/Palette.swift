/// Colours for numbers: a path through Oklab with uniform speed, so that equal differences of a value look equal.
public struct Palette: Sendable {
  private let stops: [Oklab]
  /// The relative path length from the first stop to each, in [0, 1].
  private let lengths: [Double]

  /// From dark blue over green to light yellow. Lightness increases monotonically, so it reads the same in grey and to
  /// the colour-blind.
  public static let sequential = Palette([
    Oklab(lightness: 0.25, chroma: 0.10, hue: 292), Oklab(lightness: 0.38, chroma: 0.12, hue: 268),
    Oklab(lightness: 0.50, chroma: 0.10, hue: 240), Oklab(lightness: 0.62, chroma: 0.095, hue: 200),
    Oklab(lightness: 0.74, chroma: 0.13, hue: 160), Oklab(lightness: 0.85, chroma: 0.16, hue: 122),
    Oklab(lightness: 0.94, chroma: 0.14, hue: 102),
  ])

  /// From amber over red to crimson, as vivid as a screen shows them: on a photograph that is grey, or nearly, each of them
  /// can be told from the light parts and from the dark ones.
  public static let heat = Palette([
    Oklab(lightness: 0.85, chroma: 0.15, hue: 90), Oklab(lightness: 0.75, chroma: 0.17, hue: 62),
    Oklab(lightness: 0.65, chroma: 0.20, hue: 36), Oklab(lightness: 0.55, chroma: 0.21, hue: 18),
  ])

  /// From brown over near-white, at a half, to blue: a pair that no common colour blindness confuses.
  public static let diverging = Palette(
    [
      Oklab(lightness: 0.38, chroma: 0.098, hue: 47), Oklab(lightness: 0.65, chroma: 0.12, hue: 55),
      Oklab(lightness: 0.95, chroma: 0.005, hue: 90), Oklab(lightness: 0.65, chroma: 0.12, hue: 243),
      Oklab(lightness: 0.38, chroma: 0.115, hue: 255),
    ], middle: 2)

  /// - Parameters:
  ///   - stops: at least two, no two neighbours equal.
  ///   - middle: the stop that lies at a half, each side walked at its own even pace.
  public init(_ stops: [Oklab], middle: Int? = nil) {
    precondition(stops.count >= 2)
    self.stops = stops
    var lengths = [0.0]
    for (from, to) in zip(stops, stops.dropFirst()) { lengths.append((lengths.last ?? 0) + from.distance(to: to)) }
    let whole = lengths.last ?? 1
    let half = middle.map { lengths[$0] } ?? whole / 2
    self.lengths = lengths.map { $0 <= half ? $0 / half / 2 : 0.5 + ($0 - half) / (whole - half) / 2 }
  }

  /// - Parameter share: from 0, the first colour, to 1, the last; what lies outside gets the nearer of them.
  public func oklab(at share: Double) -> Oklab {
    let share = min(max(share, 0), 1)
    let next = min(lengths.firstIndex { $0 > share } ?? stops.count - 1, stops.count - 1)
    let (from, to) = (stops[next - 1], stops[next])
    let part = (share - lengths[next - 1]) / (lengths[next] - lengths[next - 1])
    return Oklab(
      lightness: from.lightness + (to.lightness - from.lightness) * part, a: from.a + (to.a - from.a) * part,
      b: from.b + (to.b - from.b) * part)
  }

  public func colour(at share: Double) -> Colour { oklab(at: share).colour }
}

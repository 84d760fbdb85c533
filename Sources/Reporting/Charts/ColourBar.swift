import Figures

/// What the colours of a scale mean: a bar that lies below a chart.
struct ColourBar {
  let scale: ColourScale
  let title: String
  /// Of the bar. - Units: pixels.
  let width: Double

  /// With its title and its labels. - Units: pixels.
  static let height = 52.0
  private static let barHeight = 10.0

  func elements(left: Double, top: Double) -> [Element] {
    let steps = 60
    let barTop = top + 20
    let axis = Axis(domain: scale.shown, pixels: (left, left + width), ticks: scale.ticks)
    let step = width / Double(steps)
    let shares = scale.domain.upperBound - scale.domain.lowerBound
    var parts = [Element.label(title, x: left, y: top + 12, style: "label")]
    for index in 0..<steps {
      let value =
        scale.shown.lowerBound
        + (scale.shown.upperBound - scale.shown.lowerBound) * (Double(index) + 0.5) / Double(steps)
      let colour = scale.palette.colour(at: (value - scale.domain.lowerBound) / shares)
      parts.append(
        Element(
          "rect",
          // A little wider than its step, so that no seam shows.
          [
            "x": left + Double(index) * step, "y": barTop, "width": index == steps - 1 ? step : step + 0.6,
            "height": Self.barHeight, "fill": colour.hex,
          ]))
    }
    for tick in scale.ticks.values {
      parts.append(Element.line(axis(tick), barTop + Self.barHeight, axis(tick), barTop + 14, style: "axis"))
    }
    return parts
      + axis.labelled.map { Element.label(scale.ticks.label($0), x: axis($0), y: barTop + 28, anchor: "middle") }
  }
}

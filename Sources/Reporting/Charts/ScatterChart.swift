import Figures

/// The same things measured twice, as points: the first value across, the second up, on one scale, with the line on which
/// nothing changes.
struct ScatterChart {
  struct Point: Sendable {
    let x: Double
    let y: Double
    /// Which colour it has.
    let style: Int
    /// A ring in the place of a dot.
    var isHollow = false
    /// What shows when it is pointed at.
    let note: String
  }

  /// Drawn in this order: what matters comes last.
  let points: [Point]
  let xTitle: String
  let yTitle: String
  var legend: [(mark: Legend.Mark, text: String)] = []
  /// The room that there is. - Units: pixels.
  var width = Theme.Size.column

  /// A square no larger than this. - Units: pixels.
  private static let largest = 520.0

  func drawing() -> Drawing {
    let legend = Legend(items: legend, width: width)
    let top = legend.height + Plot.header
    let values = points.flatMap { [$0.x, $0.y] }
    // The labels' width doesn't depend on where the axis lies.
    let left = Plot.margin(Axis(values, pixels: (0, 1)).ticks)
    let side = min(width - left - 20, Self.largest)
    let y = Axis(values, pixels: (top + side, top))
    let x = Axis(domain: y.domain, pixels: (left, left + side), ticks: y.ticks)
    let plot = Plot(x: x, y: y)
    let (low, high) = (y.domain.lowerBound, y.domain.upperBound)
    var parts = legend.items.isEmpty ? [] : [Element("g", ["class": "legend"], legend.elements())]
    parts += plot.frame(xTitle: xTitle, yTitle: yTitle)
    parts.append(Element.line(x(low), y(low), x(high), y(high), style: "guide"))
    let radius = points.count > 400 ? 3.0 : points.count > 100 ? 3.5 : 4.5
    parts += points.filter { $0.x.isFinite && $0.y.isFinite }.map { point in
      Element(
        "circle",
        [
          "cx": x(point.x), "cy": y(point.y), "r": radius,
          "class": point.isHollow ? "s\(point.style) thin" : "f\(point.style)",
        ]
      ).noted(point.note)
    }
    return Drawing(
      width: max(left + side + 20, legend.items.isEmpty ? 0 : width), height: top + side + Plot.footer, elements: parts)
  }
}

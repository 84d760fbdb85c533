import Figures

/// Curves over a common axis.
struct LineChart {
  struct Series: Sendable {
    let name: String
    /// Ascending by x.
    let points: [(x: Double, y: Double)]
    /// Which colour and dash it has.
    let style: Int
    /// Dots in the place of a line: measurements that are few.
    var isDotted = false
    /// Drawn pale, behind the others.
    var isFaint = false
    /// Whose dashes it has; nil for its style's.
    var dash: Int?
    /// The bounds of an interval round each point, drawn as a band; empty if there is none.
    var bounds: [(low: Double, high: Double)] = []
  }

  let series: [Series]
  let xTitle: String
  let yTitle: String
  var yDomain: ClosedRange<Double>?
  var isLogarithmic = false
  /// The label of a place on the horizontal axis, for notes.
  var xName: (Double) -> String = { NumberText.number($0, decimals: 0) }
  var decimals = 3
  /// Series named in the legend; those drawn in the same style are named once.
  var legend: [(mark: Legend.Mark, text: String)]?
  var width = Theme.Size.column
  var height = 320.0

  /// More points than this are drawn as the means of neighbours; the CSV file has them all.
  static let mostPoints = 400

  func drawing() -> Drawing {
    let legend = Legend(
      items: legend ?? series.map { ($0.isDotted ? .hollow(series: $0.style) : .line(series: $0.style), $0.name) },
      width: width)
    let drawn = series.map(Self.thinned)
    let (top, bottom) = (legend.height + Plot.header, height - Plot.footer)
    let y =
      yDomain.map {
        Axis(domain: $0, pixels: (bottom, top), ticks: Ticks($0.lowerBound, $0.upperBound, about: 5))
      } ?? Axis(series.flatMap { $0.points.map(\.y) + $0.bounds.flatMap { [$0.low, $0.high] } }, pixels: (bottom, top))
    let left = Plot.margin(y.ticks)
    let plot = Plot(x: horizontal(from: left), y: y)
    let lines =
      drawn.compactMap { band($0, plot) } + drawn.sorted { $0.isFaint && !$1.isFaint }.flatMap { curve($0, plot) }
    return Drawing(
      width: width, height: height,
      elements: [Element("g", ["class": "legend"], legend.elements())]
        + plot.frame(xTitle: xTitle, yTitle: yTitle) + lines)
  }

  private func horizontal(from left: Double) -> Axis {
    let xs = series.flatMap { $0.points.map(\.x) }
    let lower = xs.min() ?? 0
    let upper = max(xs.max() ?? 1, lower + 1)
    let pixels = (left + 4, width - 20)
    if isLogarithmic {
      let lower = max(1, lower)
      return Axis(
        domain: lower...upper, pixels: pixels, ticks: Ticks(logarithmic: lower, upper), isLogarithmic: true)
    }
    let room = textWidth(NumberText.number(upper, decimals: 0), size: Theme.Size.tick) + 24
    return Axis(
      domain: lower...upper, pixels: pixels,
      ticks: Ticks(lower, upper, about: max(2, min(8, Int((width - left) / room)))))
  }

  private func band(_ series: Series, _ plot: Plot) -> Element? {
    let bounds = zip(series.points, series.bounds).filter { $1.low.isFinite && $1.high.isFinite }
    guard bounds.count > 1 else { return nil }
    let upper = bounds.map { (x: plot.x($0.x), y: plot.y($1.high)) }
    let lower = bounds.map { (x: plot.x($0.x), y: plot.y($1.low)) }
    return Element(
      "path", ["d": Element.pathData(upper + lower.reversed(), closed: true), "class": "f\(series.style) band"])
  }

  private func curve(_ series: Series, _ plot: Plot) -> [Element] {
    let points = series.points.filter { $0.y.isFinite }
    let faint = series.isFaint ? " faint" : ""
    var parts: [Element] = []
    if !series.isDotted, points.count > 1 {
      parts.append(
        Element(
          "path",
          [
            "d": Element.pathData(points.map { (x: plot.x($0.x), y: plot.y($0.y)) }),
            "class": "s\(series.style) curve" + faint,
            "stroke-dasharray": Theme.dashes[(series.dash ?? series.style) % Theme.dashes.count],
          ]))
    }
    let shown = series.isDotted || points.count == 1
    for point in points {
      let words =
        "\(series.name), \(xTitle) \(xName(point.x)): \(NumberText.number(point.y, decimals: decimals))"
        + interval(of: series, at: point.x)
      parts.append(
        Element(
          "circle",
          [
            "cx": plot.x(point.x), "cy": plot.y(point.y), "r": shown ? 3.5 : 6,
            "class": shown ? "s\(series.style) curve" + faint : "hit",
          ]
        ).noted(words))
    }
    return parts
  }

  private func interval(of series: Series, at x: Double) -> String {
    guard series.bounds.count == series.points.count, let place = series.points.firstIndex(where: { $0.x == x })
    else { return "" }
    let (low, high) = series.bounds[place]
    return " [\(NumberText.number(low, decimals: decimals)), \(NumberText.number(high, decimals: decimals))]"
  }

  static func thinned(_ series: Series) -> Series {
    guard series.points.count > mostPoints else { return series }
    let size = (series.points.count + mostPoints - 1) / mostPoints
    let points = stride(from: 0, to: series.points.count, by: size).map { first -> (x: Double, y: Double) in
      let part = series.points[first..<min(first + size, series.points.count)]
      let count = Double(part.count)
      return (x: part.reduce(0) { $0 + $1.x } / count, y: part.reduce(0) { $0 + $1.y } / count)
    }
    return Series(
      name: series.name, points: points, style: series.style, isDotted: series.isDotted, isFaint: series.isFaint,
      dash: series.dash)
  }
}

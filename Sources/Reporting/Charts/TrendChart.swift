import Figures

/// Means along an index (layers or heads), each with its standard error, and the straight line through them with the
/// band of its own: figure 5 of arXiv 2511.23375.
struct TrendChart {
  struct Point: Sendable, Equatable {
    let index: Int
    let mean: Double
    /// Of the mean; NaN if there is none.
    let standardError: Double
    /// What chance gives there.
    let chance: Double
  }

  let points: [Point]
  let xTitle: String
  let yTitle: String
  /// What the means are over: "heads".
  let averaged: String
  var width = 420.0
  var height = 300.0

  func drawing() -> Drawing {
    let fit = LinearRegression(x: points.map { Double($0.index) }, y: points.map(\.mean))
    var items: [(mark: Legend.Mark, text: String)] = [(.dot(series: 0), "mean over \(averaged) ± s.e.")]
    if fit != nil { items += [(.line(series: 1), "linear fit"), (.band(series: 1), "± s.e. of the fit")] }
    items.append((.guide, "chance"))
    let legend = Legend(items: items, width: width)

    let band =
      fit.map { fit in points.map { ($0.index, fit($0.index), fit.standardError(at: Double($0.index))) } } ?? []
    let heights =
      points.flatMap { [$0.mean, $0.mean - $0.standardError, $0.mean + $0.standardError, $0.chance] }
      + band.flatMap { [$0.1 - $0.2, $0.1 + $0.2] }
    let top = legend.height + Plot.header
    let bottom = height - Plot.footer
    let y = Axis(heights, pixels: (bottom, top))
    let left = Plot.margin(y.ticks)
    let last = max(1, (points.last?.index ?? 0))
    let spacing = (width - left - 16) / Double(last + 1)
    let x = Axis(
      domain: -0.5...(Double(last) + 0.5), pixels: (left, width - 8),
      ticks: Ticks(
        places: (points.last?.index ?? 0) + 1, spacing: spacing,
        room: textWidth("\(last)", size: Theme.Size.tick) + 8))
    let plot = Plot(x: x, y: y)
    var parts = plot.frame(xTitle: xTitle, yTitle: yTitle)
    if let fit {
      parts += regression(fit, band: band.filter { $0.2.isFinite }, plot)
    }
    parts.append(
      Element(
        "path", ["d": Element.pathData(points.map { (x: x(Double($0.index)), y: y($0.chance)) }), "class": "guide"]))
    parts += points.map { marker($0, plot, radius: spacing < 9 ? 2.5 : 3.5) }
    return Drawing(
      width: width, height: height,
      elements: [Element("g", ["class": "legend"], legend.elements())] + parts)
  }

  private func regression(_ fit: LinearRegression, band: [(Int, Double, Double)], _ plot: Plot) -> [Element] {
    var parts: [Element] = []
    if !band.isEmpty {
      let upper = band.map { (x: plot.x(Double($0.0)), y: plot.y($0.1 + $0.2)) }
      let lower = band.map { (x: plot.x(Double($0.0)), y: plot.y($0.1 - $0.2)) }
      parts.append(
        Element("path", ["d": Element.pathData(upper + lower.reversed(), closed: true), "class": "f1 band"]))
    }
    let ends = [points.first, points.last].compactMap { $0 }.map {
      (x: plot.x(Double($0.index)), y: plot.y(fit($0.index)))
    }
    parts.append(
      Element("path", ["d": Element.pathData(ends), "class": "s1 curve", "stroke-dasharray": Theme.dashes[1]])
        .noted(
          "slope \(NumberText.signed(fit.slope, decimals: 5)) ± \(NumberText.number(fit.slopeStandardError, decimals: 5)) a \(xTitle)"
        ))
    return parts
  }

  private func marker(_ point: Point, _ plot: Plot, radius: Double) -> Element {
    let x = plot.x(Double(point.index))
    var parts: [Element] = []
    if point.standardError.isFinite {
      parts.append(
        Element.line(
          x, plot.y(point.mean - point.standardError), x, plot.y(point.mean + point.standardError), style: "s0 thin"))
    }
    parts.append(Element("circle", ["cx": x, "cy": plot.y(point.mean), "r": radius, "class": "f0"]))
    return Element("g", [:], parts).noted(
      "\(xTitle) \(point.index): \(NumberText.number(point.mean, decimals: 4)) ± \(NumberText.number(point.standardError, decimals: 4)), "
        + "chance \(NumberText.number(point.chance, decimals: 4))")
  }
}

import Figures

/// Values of the heads of each layer as dots, their mean as a line, and on demand the straight line through the means
/// with the band of its own (figure 5 of arXiv 2511.23375).
struct TrendChart {
  struct Point: Sendable, Equatable {
    let index: Int
    let mean: Double
    /// Of the mean; NaN if there is none.
    let standardError: Double
    /// Of each head; whether its mark is full.
    var heads: [Dot] = []

    struct Dot: Sendable, Equatable {
      let value: Double
      let isFull: Bool
      let note: String
    }
  }

  let points: [Point]
  let xTitle: String
  let yTitle: String
  /// What the means are over: "heads".
  let averaged: String
  /// What a full dot is; nil if there are only full ones.
  var fullDots: String?
  /// A line of reference: chance.
  var reference: Double?
  var hasFit = false
  var width = Theme.Size.column
  var height = 320.0

  func drawing() -> Drawing {
    let fit = hasFit ? LinearRegression(x: points.map { Double($0.index) }, y: points.map(\.mean)) : nil
    var items: [(mark: Legend.Mark, text: String)] = [(.line(series: 5), "mean over \(averaged) ± s.e.")]
    items.append((.dot(series: 0), fullDots.map { "head \($0)" } ?? "head"))
    if let fullDots { items.append((.hollow(series: 5), "head not \(fullDots)")) }
    if fit != nil { items.append((.line(series: 2), "linear fit ± s.e.")) }
    let legend = Legend(items: items, width: width)
    let band =
      fit.map { fit in points.map { ($0.index, fit($0.index), fit.standardError(at: Double($0.index))) } } ?? []
    var heights = points.flatMap { [$0.mean, $0.mean - $0.standardError, $0.mean + $0.standardError] }
    heights += points.flatMap { $0.heads.map(\.value) }
    heights += band.flatMap { [$0.1 - $0.2, $0.1 + $0.2] }
    if let reference { heights.append(reference) }
    let y = Axis(heights, pixels: (height - Plot.footer, legend.height + Plot.header))
    let left = Plot.margin(y.ticks)
    let last = max(1, points.last?.index ?? 0)
    let spacing = (width - left - 16) / Double(last + 1)
    let x = Axis(
      domain: -0.5...(Double(last) + 0.5), pixels: (left, width - 8),
      ticks: Ticks(
        places: (points.last?.index ?? 0) + 1, spacing: spacing,
        room: textWidth("\(last)", size: Theme.Size.tick) + 8))
    let plot = Plot(x: x, y: y)
    var parts = plot.frame(xTitle: xTitle, yTitle: yTitle)
    if let reference { parts.append(Element.line(left, y(reference), width - 8, y(reference), style: "axis")) }
    if let fit { parts += regression(fit, band: band.filter { $0.2.isFinite }, plot) }
    parts += points.flatMap { dots($0, plot, spacing: spacing) }
    parts.append(
      Element(
        "path",
        [
          "d": Element.pathData(points.filter(\.mean.isFinite).map { (x: x(Double($0.index)), y: y($0.mean)) }),
          "class": "s5 curve",
        ]))
    parts += points.filter(\.mean.isFinite).map { marker($0, plot, radius: spacing < 9 ? 2.5 : 3.5) }
    return Drawing(
      width: width, height: height,
      elements: [Element("g", ["class": "legend"], legend.elements())] + parts)
  }

  private func dots(_ point: Point, _ plot: Plot, spacing: Double) -> [Element] {
    let radius = min(3, max(1.2, spacing * 0.14))
    // Dots lie beside their layer's mean, in the order of the heads, so that they don't hide one another.
    let spread = min(spacing * 0.6, 26)
    let count = Double(max(1, point.heads.count - 1))
    return point.heads.enumerated().compactMap { place, dot in
      guard dot.value.isFinite else { return nil }
      let x = plot.x(Double(point.index)) + (Double(place) / count - 0.5) * spread
      return Element(
        "circle",
        ["cx": x, "cy": plot.y(dot.value), "r": radius, "class": dot.isFull ? "f0 soft" : "s5 thin"]
      ).noted(dot.note)
    }
  }

  private func regression(_ fit: LinearRegression, band: [(Int, Double, Double)], _ plot: Plot) -> [Element] {
    var parts: [Element] = []
    if !band.isEmpty {
      let upper = band.map { (x: plot.x(Double($0.0)), y: plot.y($0.1 + $0.2)) }
      let lower = band.map { (x: plot.x(Double($0.0)), y: plot.y($0.1 - $0.2)) }
      parts.append(
        Element("path", ["d": Element.pathData(upper + lower.reversed(), closed: true), "class": "f2 band"]))
    }
    let ends = [points.first, points.last].compactMap { $0 }.map {
      (x: plot.x(Double($0.index)), y: plot.y(fit($0.index)))
    }
    parts.append(
      Element("path", ["d": Element.pathData(ends), "class": "s2 curve", "stroke-dasharray": Theme.dashes[1]])
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
          x, plot.y(point.mean - point.standardError), x, plot.y(point.mean + point.standardError), style: "s5 curve"))
    }
    parts.append(Element("circle", ["cx": x, "cy": plot.y(point.mean), "r": radius, "class": "f5"]))
    let error = point.standardError.isFinite ? " ± \(NumberText.number(point.standardError, decimals: 4))" : ""
    return Element("g", [:], parts).noted(
      "mean of \(xTitle) \(point.index): \(NumberText.number(point.mean, decimals: 4))\(error)")
  }
}

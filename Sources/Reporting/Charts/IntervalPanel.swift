import Figures

/// Small interval charts side by side, one a metric, with the same rows in each: small multiples.
struct IntervalPanel {
  struct Metric: Sendable {
    let title: String
    /// Under the title.
    let subtitle: String
    /// Which colour it has.
    let style: Int
    /// One per row; nil where a row has no value.
    let values: [Value?]
    /// A range behind all rows, such as that of random choices.
    var band: ClosedRange<Double>?
    var decimals = 3

    struct Value: Sendable {
      let value: Double
      /// NaN if there is no interval; likewise the next.
      let low: Double
      let high: Double
      /// Single measurements that the value is the mean of.
      var single: [Double] = []
      let note: String
    }
  }

  /// Metrics that begin a line of their own.
  struct Group: Sendable {
    /// Over the line; empty for none.
    let title: String
    let metrics: [Metric]
  }

  /// The names of the rows.
  let rows: [String]
  let groups: [Group]
  var width = Theme.Size.column

  private static let rowHeight = 20.0
  private static let gap = 22.0

  func drawing() -> Drawing {
    let isNarrow = width < 500
    let names = rows.map { shortened($0, to: isNarrow ? 90 : 160, size: Theme.Size.tick) }
    let left = (names.map { textWidth($0, size: Theme.Size.tick) }.max() ?? 0).rounded(.up) + 10
    let most = isNarrow ? 2 : 4
    let across = min(most, max(1, groups.map(\.metrics.count).max() ?? 1))
    let tileWidth = min((width - left - Self.gap * Double(across - 1)) / Double(across), 300)
    let tileHeight = 40 + Double(rows.count) * Self.rowHeight + 34
    var parts: [Element] = []
    var y = 0.0
    for group in groups {
      if !group.title.isEmpty {
        parts.append(Element.label(group.title, x: 0, y: y + 14, style: "label strong t\(group.metrics[0].style)"))
        y += 26
      }
      for start in stride(from: 0, to: group.metrics.count, by: across) {
        for (row, name) in names.enumerated() {
          let middle = y + 40 + (Double(row) + 0.5) * Self.rowHeight
          parts.append(Element.label(name, x: left - 10, y: middle + 4, anchor: "end", style: "label-name"))
        }
        for (place, metric) in group.metrics[start..<min(start + across, group.metrics.count)].enumerated() {
          let x = left + Double(place) * (tileWidth + Self.gap)
          parts += tile(metric, left: x, top: y, width: tileWidth)
        }
        y += tileHeight
      }
    }
    return Drawing(width: left + Double(across) * (tileWidth + Self.gap) - Self.gap, height: y, elements: parts)
  }

  private func tile(_ metric: Metric, left: Double, top: Double, width: Double) -> [Element] {
    let (first, bottom) = (top + 36, top + 40 + Double(rows.count) * Self.rowHeight)
    let values = metric.values.compactMap { $0 }
    let x = Axis(
      values.flatMap { [$0.value, $0.low, $0.high] + $0.single } + [0]
        + (metric.band.map { [$0.lowerBound, $0.upperBound] } ?? []),
      pixels: (left + 14, left + width - 16), about: width < 170 ? 2 : 3)
    var parts = [
      Element.label(
        shortened(metric.title, to: width, size: Theme.Size.text), x: left, y: top + 12, style: "label strong"),
      Element.label(shortened(metric.subtitle, to: width, size: Theme.Size.tick), x: left, y: top + 28),
    ]
    if let band = metric.band {
      parts.append(
        Element(
          "rect",
          [
            "x": x(band.lowerBound), "y": first, "width": max(1, x(band.upperBound) - x(band.lowerBound)),
            "height": bottom - first, "class": "f5 band",
          ]))
    }
    for tick in x.ticks.values {
      parts.append(Element.line(x(tick), first, x(tick), bottom, style: tick == 0 ? "axis" : "grid"))
    }
    parts += x.labelled.map { Element.label(x.ticks.label($0), x: x($0), y: bottom + 16, anchor: "middle") }
    for (row, value) in metric.values.enumerated() {
      guard let value, value.value.isFinite else { continue }
      let y = top + 40 + (Double(row) + 0.5) * Self.rowHeight
      var mark: [Element] = []
      if value.low.isFinite, value.high.isFinite {
        mark.append(Element.line(x(value.low), y, x(value.high), y, style: "s\(metric.style) curve"))
      }
      mark += value.single.filter(\.isFinite).map {
        Element("circle", ["cx": x($0), "cy": y, "r": 2.5, "class": "s\(metric.style) thin"])
      }
      mark.append(Element("circle", ["cx": x(value.value), "cy": y, "r": 4, "class": "f\(metric.style)"]))
      parts.append(Element("g", [:], mark).noted(value.note))
    }
    return parts
  }
}

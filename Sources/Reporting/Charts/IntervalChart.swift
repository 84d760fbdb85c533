import Figures

/// A value and its interval for each of a list of things, one below the other.
struct IntervalChart {
  struct Row: Sendable {
    let name: String
    let value: Double
    /// NaN if there is no interval; likewise the next.
    let low: Double
    let high: Double
    /// Which colour it has.
    var style = 0
    /// Besides the value, in the note that shows when the row is pointed at.
    var more = ""
    /// Values to compare with, as rings.
    var others: [Other] = []

    struct Other: Sendable {
      let name: String
      let value: Double
      let style: Int
    }
  }

  let rows: [Row]
  let xTitle: String
  /// A reference value, such as no change.
  var reference: Double?
  /// A range behind all rows, such as that of random choices.
  var band: ClosedRange<Double>?
  var decimals = 3
  var isSigned = false
  var legend: [(mark: Legend.Mark, text: String)] = []
  var width = Theme.Size.column

  /// Names and values lie above the intervals where there is no room beside them.
  private var isNarrow: Bool { width < 500 }
  private var rowHeight: Double { isNarrow ? 38 : 24 }

  func drawing() -> Drawing {
    let texts = rows.map(text)
    let textWidths = texts.map { textWidth($0, size: Theme.Size.tick) }
    let names = zip(rows, textWidths).map { row, taken in
      shortened(row.name, to: isNarrow ? width - taken - 16 : 240, size: Theme.Size.tick)
    }
    let left =
      isNarrow ? 16 : (names.map { textWidth($0, size: Theme.Size.tick) }.max() ?? 0).rounded(.up) + 12
    let right = isNarrow ? width - 16 : width - (textWidths.max() ?? 0).rounded(.up) - 14
    let legend = Legend(items: legend, width: width)
    let top = legend.height
    let bottom = top + 8 + Double(rows.count) * rowHeight
    let places =
      rows.flatMap { [$0.value, $0.low, $0.high] + $0.others.map(\.value) } + (reference.map { [$0] } ?? [])
    let x = Axis(
      places + (band.map { [$0.lowerBound, $0.upperBound] } ?? []), pixels: (left, right),
      about: max(2, Int((right - left) / 90)))
    var parts = legend.items.isEmpty ? [] : [Element("g", ["class": "legend"], legend.elements())]
    if let band {
      parts.append(
        Element(
          "rect",
          [
            "x": x(band.lowerBound), "y": top, "width": max(1, x(band.upperBound) - x(band.lowerBound)),
            "height": bottom - top, "class": "f5 band",
          ]))
    }
    for tick in x.ticks.values {
      parts.append(Element.line(x(tick), top, x(tick), bottom, style: "grid"))
      parts.append(Element.label(x.ticks.label(tick), x: x(tick), y: bottom + 18, anchor: "middle"))
    }
    if let reference { parts.append(Element.line(x(reference), top, x(reference), bottom, style: "axis")) }
    for (index, row) in rows.enumerated() {
      let middle = top + 8 + (Double(index) + 0.5) * rowHeight
      let y = isNarrow ? middle + 9 : middle
      if isNarrow {
        parts.append(Element.label(names[index], x: 0, y: middle - 4, style: "label-name"))
        parts.append(Element.label(texts[index], x: width, y: middle - 4, anchor: "end", style: "muted halo"))
      } else {
        parts.append(Element.label(names[index], x: left - 12, y: y + 4, anchor: "end", style: "label-name"))
        parts.append(Element.label(texts[index], x: right + 14, y: y + 4))
      }
      parts.append(mark(row, x, y: y, text: texts[index]))
      parts += row.others.map { other in
        Element("circle", ["cx": x(other.value), "cy": y, "r": 5, "class": "s\(other.style) curve"])
          .noted("\(row.name), \(other.name): \(text(other.value))")
      }
    }
    parts.append(Element.label(xTitle, x: (left + right) / 2, y: bottom + 38, anchor: "middle", style: "label"))
    return Drawing(width: width, height: bottom + Plot.footer, elements: parts)
  }

  private func text(_ row: Row) -> String {
    guard row.low.isFinite, row.high.isFinite else { return text(row.value) }
    let (low, high) = (NumberText.number(row.low, decimals: decimals), NumberText.number(row.high, decimals: decimals))
    return "\(text(row.value)) [\(low), \(high)]"
  }

  private func text(_ value: Double) -> String {
    isSigned ? NumberText.signed(value, decimals: decimals) : NumberText.number(value, decimals: decimals)
  }

  private func mark(_ row: Row, _ x: Axis, y: Double, text: String) -> Element {
    var parts: [Element] = []
    if row.low.isFinite, row.high.isFinite {
      parts.append(Element.line(x(row.low), y, x(row.high), y, style: "s\(row.style) curve"))
    }
    if row.value.isFinite {
      parts.append(Element("circle", ["cx": x(row.value), "cy": y, "r": 4.5, "class": "f\(row.style)"]))
    }
    return Element("g", [:], parts).noted("\(row.name): \(text)\(row.more)")
  }
}

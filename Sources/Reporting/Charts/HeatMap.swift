import Figures

/// A grid of values in colours, layers down and heads across, with a few cells marked.
struct HeatMap {
  let rows: Int
  let columns: Int
  /// - Shape: [row, column]
  let values: [Double]
  let scale: ColourScale
  /// What the colours mean, over their bar.
  let valueTitle: String
  /// Cells to be marked, the first with 1 and so on.
  var marked: [(row: Int, column: Int)] = []
  var rowTitle = "layer"
  var columnTitle = "head"
  /// The size that the grid should have, where its cells allow it. - Units: pixels.
  var preferred: (width: Double, height: Double) = (640, 460)
  /// - Units: pixels.
  var smallestCell = 9.0
  /// What shows when a cell is pointed at.
  let note: (_ row: Int, _ column: Int, _ value: Double) -> String

  private var cellWidth: Double { min(max((preferred.width / Double(columns)).rounded(.down), smallestCell), 56) }
  private var cellHeight: Double { min(max((preferred.height / Double(rows)).rounded(.down), smallestCell), 34) }

  func drawing() -> Drawing {
    let rowTicks = Ticks(places: rows, spacing: cellHeight, room: 15)
    let columnTicks = Ticks(
      places: columns, spacing: cellWidth, room: textWidth("\(columns)", size: Theme.Size.tick) + 6)
    let left = textWidth("\(rows)", size: Theme.Size.tick).rounded(.up) + 12
    let top = 26.0
    let (right, bottom) = (left + cellWidth * Double(columns), top + cellHeight * Double(rows))
    // Cells touch where they are small; a hairline parts larger ones.
    let gap = min(cellWidth, cellHeight) >= 14 ? 1.0 : 0
    var cells: [Element] = []
    for row in 0..<rows {
      for column in 0..<columns {
        let value = values[row * columns + column]
        let colour = scale.oklab(value)?.colour.hex
        cells.append(
          Element(
            "rect",
            [
              "x": left + Double(column) * cellWidth, "y": top + Double(row) * cellHeight, "width": cellWidth - gap,
              "height": cellHeight - gap, colour == nil ? "class" : "fill": colour ?? "none",
            ]
          ).noted(note(row, column, value)))
      }
    }
    var parts: [Element] = [
      Element.label("\(rowTitle) ↓", x: 0, y: 12, style: "label"),
      // No seams between cells, whatever size the figure is shown in.
      Element("g", ["shape-rendering": "crispEdges"], cells),
    ]
    for tick in rowTicks.values {
      let y = top + (tick + 0.5) * cellHeight + 4
      parts.append(Element.label("\(Int(tick))", x: left - 7, y: y, anchor: "end"))
    }
    for tick in columnTicks.values {
      parts.append(Element.label("\(Int(tick))", x: left + (tick + 0.5) * cellWidth, y: bottom + 16, anchor: "middle"))
    }
    parts.append(Element.label("\(columnTitle) →", x: left, y: bottom + 36, style: "label"))
    parts += marks(left: left, top: top, gap: gap)
    let bar = ColourBar(scale: scale, title: valueTitle, height: min(max(bottom - top, 120), 240))
    parts.append(
      Element("g", ["transform": "translate(\((right + 26).attributeText) 0)"], bar.elements(top: top)))
    return Drawing(width: right + 26 + bar.width, height: max(bottom + 42, top + bar.height + 10), elements: parts)
  }

  private func marks(left: Double, top: Double, gap: Double) -> [Element] {
    marked.enumerated().flatMap { index, cell -> [Element] in
      let x = left + Double(cell.column) * cellWidth
      let y = top + Double(cell.row) * cellHeight
      let (width, height) = (cellWidth - gap, cellHeight - gap)
      func ring(_ style: String, inset: Double) -> Element {
        Element(
          "rect",
          [
            "x": x + inset, "y": y + inset, "width": width - 2 * inset, "height": height - 2 * inset, "class": style,
            "pointer-events": "none",
          ])
      }
      // Round a small cell the ring lies outside it, or there would be no cell left to see.
      let inset = min(width, height) < 12 ? -1.5 : 0.5
      let rings = [ring("ring-out", inset: inset), ring("ring-in", inset: inset)]
      // The rank is written if two digits fit.
      guard cellWidth >= 22, cellHeight >= 15,
        let lightness = scale.oklab(values[cell.row * columns + cell.column])?.lightness
      else { return rings }
      var rank = Element.label(
        "\(index + 1)", x: x + width / 2, y: y + height / 2 + 4, anchor: "middle",
        style: lightness > 0.6 ? "on-light" : "on-dark")
      rank.set("pointer-events", "none")
      return rings + [rank]
    }
  }
}

/// What the colours of a scale mean.
struct ColourBar {
  let scale: ColourScale
  let title: String
  let height: Double

  private static let barWidth = 14.0

  /// - Units: pixels.
  var width: Double {
    let labels = scale.ticks.values.map { textWidth(scale.ticks.label($0), size: Theme.Size.tick) }.max() ?? 0
    return max(textWidth(title, size: Theme.Size.text), Self.barWidth + 8 + labels).rounded(.up) + 2
  }

  func elements(top: Double) -> [Element] {
    let steps = 60
    let axis = Axis(domain: scale.domain, pixels: (top + height, top), ticks: scale.ticks)
    var parts = [Element.label(title, x: 0, y: 12, style: "label")]
    let step = height / Double(steps)
    for index in 0..<steps {
      let colour = scale.palette.colour(at: 1 - (Double(index) + 0.5) / Double(steps))
      parts.append(
        Element(
          "rect",
          // A little higher than its step, so that no seam shows.
          [
            "x": 0.0, "y": top + Double(index) * step, "width": Self.barWidth,
            "height": index == steps - 1 ? step : step + 0.6, "fill": colour.hex,
          ]))
    }
    for tick in scale.ticks.values {
      parts.append(Element.line(Self.barWidth, axis(tick), Self.barWidth + 4, axis(tick), style: "axis"))
      parts.append(Element.label(scale.ticks.label(tick), x: Self.barWidth + 8, y: axis(tick) + 4))
    }
    return parts
  }
}

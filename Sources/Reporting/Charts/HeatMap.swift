import Figures

/// A grid of values in colours, layers down and heads across, with a few cells marked, and the rows' means beside it.
struct HeatMap {
  /// A row's mean, beside the map.
  struct RowMean: Sendable {
    let value: Double
    /// NaN if there is no interval; likewise the next.
    let low: Double
    let high: Double
    let note: String
  }

  /// What a small mark in a cell says.
  enum Mark: Sendable {
    case dot
    case dash
  }

  let rows: Int
  let columns: Int
  /// - Shape: [row, column]
  let values: [Double]
  let scale: ColourScale
  /// What the colours mean, over their bar.
  let valueTitle: String
  /// Cells to be framed, the first with 1 and so on.
  var marked: [(row: Int, column: Int)] = []
  /// Small marks of cells that aren't framed; empty if there are none. - Shape: [row, column]
  var marks: [Mark?] = []
  /// One per row, or none.
  var rowMeans: [RowMean] = []
  var rowTitle = "layer"
  var columnTitle = "head"
  /// The room that there is. - Units: pixels.
  var width = Theme.Size.column
  /// The height that the grid should have, where its cells allow it. - Units: pixels.
  var gridHeight = 510.0
  /// What shows when a cell is pointed at.
  let note: (_ row: Int, _ column: Int, _ value: Double) -> String

  private static let top = 26.0

  private var isNarrow: Bool { width < 500 }
  private var left: Double { textWidth("\(rows)", size: Theme.Size.tick).rounded(.up) + 12 }
  private var stripWidth: Double { rowMeans.isEmpty ? 0 : isNarrow ? 76 : 170 }
  private var stripGap: Double { rowMeans.isEmpty ? 0 : isNarrow ? 10 : 22 }

  private var cellWidth: Double {
    let room = (width - left - stripGap - stripWidth - 2) / Double(columns)
    return min(room >= 6 ? room.rounded(.down) : (room * 4).rounded(.down) / 4, 56)
  }
  private var cellHeight: Double {
    let wanted = (isNarrow ? min(gridHeight, 400) : gridHeight) / Double(rows)
    return min(max(wanted.rounded(.down), isNarrow ? 5 : 8), isNarrow ? 26 : 34)
  }
  /// Cells touch where they are small; a hairline parts larger ones.
  private var gap: Double { min(cellWidth, cellHeight) >= 14 ? 1 : 0 }
  private var right: Double { left + cellWidth * Double(columns) }
  private var bottom: Double { Self.top + cellHeight * Double(rows) }

  func drawing() -> Drawing {
    let rowTicks = Ticks(places: rows, spacing: cellHeight, room: 15)
    let columnTicks = Ticks(
      places: columns, spacing: cellWidth, room: textWidth("\(columns)", size: Theme.Size.tick) + 6)
    var parts: [Element] = [
      Element.label("\(rowTitle) ↓", x: 0, y: 12, style: "label"),
      // No seams between cells, whatever size the figure is shown in.
      Element("g", ["shape-rendering": "crispEdges"], cells),
    ]
    for tick in rowTicks.values {
      let y = Self.top + (tick + 0.5) * cellHeight + 4
      parts.append(Element.label("\(Int(tick))", x: left - 7, y: y, anchor: "end"))
    }
    for tick in columnTicks.values {
      parts.append(Element.label("\(Int(tick))", x: left + (tick + 0.5) * cellWidth, y: bottom + 16, anchor: "middle"))
    }
    parts.append(Element.label("\(columnTitle) →", x: left, y: bottom + 34, style: "label"))
    parts += smallMarks + frames
    if !rowMeans.isEmpty { parts += strip }
    let bar = ColourBar(scale: scale, title: valueTitle, width: min(max(right - left, 130), 300))
    parts += bar.elements(left: left, top: bottom + 44)
    let barEnd = left + max(bar.width + 14, textWidth(valueTitle, size: Theme.Size.text))
    let gridEnd = rowMeans.isEmpty ? right : right + stripGap + stripWidth
    return Drawing(
      width: min(width, max(gridEnd, barEnd)) + 2, height: bottom + 44 + ColourBar.height, elements: parts)
  }

  private var cells: [Element] {
    // Under a finger, cells of a large model are too small to be pointed at.
    let hasNotes = !isNarrow || cellWidth >= 6
    return (0..<rows * columns).map { index in
      let (row, column) = (index / columns, index % columns)
      let value = values[index]
      let colour = scale.oklab(value)?.colour.hex
      let cell = Element(
        "rect",
        [
          "x": left + Double(column) * cellWidth, "y": Self.top + Double(row) * cellHeight, "width": cellWidth - gap,
          "height": cellHeight - gap, colour == nil ? "class" : "fill": colour ?? "none",
        ])
      return hasNotes ? cell.noted(note(row, column, value)) : cell
    }
  }

  private func centre(_ row: Int, _ column: Int) -> (x: Double, y: Double) {
    (
      x: left + Double(column) * cellWidth + (cellWidth - gap) / 2,
      y: Self.top + Double(row) * cellHeight + (cellHeight - gap) / 2
    )
  }

  /// Dots and dashes, dark on light cells and light on dark ones.
  private var smallMarks: [Element] {
    let framed = Set(marked.map { $0.row * columns + $0.column })
    return marks.indices.filter { !framed.contains($0) }.compactMap { index in
      guard let mark = marks[index], let lightness = scale.oklab(values[index])?.lightness else { return nil }
      let (x, y) = centre(index / columns, index % columns)
      let style = lightness > 0.6 ? "mark-on-light" : "mark-on-dark"
      let radius = min(2.5, min(cellWidth, cellHeight) * 0.22)
      return switch mark {
      case .dot: Element("circle", ["cx": x, "cy": y, "r": radius, "class": style])
      case .dash:
        Element(
          "rect",
          [
            "x": x - 1.6 * radius, "y": y - radius / 2.5, "width": 3.2 * radius, "height": radius / 1.25,
            "class": style,
          ]
        )
      }
    }
  }

  private var frames: [Element] {
    marked.enumerated().flatMap { index, cell -> [Element] in
      let x = left + Double(cell.column) * cellWidth
      let y = Self.top + Double(cell.row) * cellHeight
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

  /// The rows' means, each on the height of its row.
  private var strip: [Element] {
    let (from, to) = (right + stripGap, right + stripGap + stripWidth - 6)
    let x = Axis(
      rowMeans.flatMap { [$0.value, $0.low, $0.high] } + [0], pixels: (from + 12, to - 12), about: isNarrow ? 1 : 3)
    var parts = [
      Element.label(isNarrow ? "mean" : "mean of the \(rowTitle)", x: from, y: 12, style: "label")
    ]
    for tick in x.ticks.values {
      parts.append(Element.line(x(tick), Self.top, x(tick), bottom, style: tick == 0 ? "axis" : "grid"))
    }
    parts += x.labelled.map { Element.label(x.ticks.label($0), x: x($0), y: bottom + 16, anchor: "middle") }
    let radius = min(3.5, max(1.8, cellHeight * 0.3))
    for (row, mean) in rowMeans.enumerated() where mean.value.isFinite {
      let y = centre(row, 0).y
      var mark: [Element] = []
      if mean.low.isFinite, mean.high.isFinite {
        mark.append(Element.line(x(mean.low), y, x(mean.high), y, style: "s0 thin"))
      }
      mark.append(Element("circle", ["cx": x(mean.value), "cy": y, "r": radius, "class": "f0"]))
      parts.append(Element("g", [:], mark).noted(mean.note))
    }
    return parts
  }
}

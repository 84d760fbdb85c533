import Figures

/// Small heat maps of the same heads side by side, each with its own scale: one measure each.
struct MapPanel {
  struct Map: Sendable {
    let title: String
    /// - Shape: [row, column]
    let values: [Double]
    let scale: ColourScale
    let note: @Sendable (_ row: Int, _ column: Int, _ value: Double) -> String
  }

  let rows: Int
  let columns: Int
  let maps: [Map]
  var rowTitle = "layer"
  var columnTitle = "head"
  /// The room that there is. - Units: pixels.
  var width = Theme.Size.column

  private static let gap = 28.0

  func drawing() -> Drawing {
    let across = width < 500 ? 2 : 3
    let left = textWidth("\(rows)", size: Theme.Size.tick).rounded(.up) + 10
    let room = (width - Self.gap * Double(across - 1)) / Double(across) - left
    let cellWidth = min(room / Double(columns), 30)
    let cellHeight = min(max((width < 500 ? 150 : 220) / Double(rows), 2), 20)
    let (gridWidth, gridHeight) = (cellWidth * Double(columns), cellHeight * Double(rows))
    let tile = (width: left + room + Self.gap, height: 26 + gridHeight + 82)
    var parts: [Element] = []
    for (index, map) in maps.enumerated() {
      let (x, y) = (Double(index % across) * tile.width, Double(index / across) * tile.height)
      var elements = [Element.label(map.title, x: left, y: 14, style: "label strong")]
      elements.append(
        Element(
          "g", ["shape-rendering": "crispEdges"],
          cells(of: map, left: left, cellWidth: cellWidth, cellHeight: cellHeight)))
      elements += ticks(left: left, bottom: 24 + gridHeight, cellWidth, cellHeight)
      // The last label may be wider than its half of the bar.
      elements += ColourBar(scale: map.scale, title: "", width: min(gridWidth, room - 20, 150))
        .elements(left: left, top: 24 + gridHeight + 6)
      parts.append(Element("g", ["transform": "translate(\(x.attributeText) \(y.attributeText))"], elements))
    }
    let lines = (maps.count + across - 1) / across
    return Drawing(width: width, height: Double(lines) * tile.height - 10, elements: parts)
  }

  private func cells(of map: Map, left: Double, cellWidth: Double, cellHeight: Double) -> [Element] {
    let hasNotes = cellWidth >= 6 && cellHeight >= 5
    return map.values.enumerated().map { index, value in
      let (row, column) = (index / columns, index % columns)
      let colour = map.scale.oklab(value)?.colour.hex
      let cell = Element(
        "rect",
        [
          "x": left + Double(column) * cellWidth, "y": 24 + Double(row) * cellHeight, "width": cellWidth,
          "height": cellHeight, colour == nil ? "class" : "fill": colour ?? "none",
        ])
      return hasNotes ? cell.noted(map.note(row, column, value)) : cell
    }
  }

  private func ticks(left: Double, bottom: Double, _ cellWidth: Double, _ cellHeight: Double) -> [Element] {
    let rowTicks = Ticks(places: rows, spacing: cellHeight, room: 24)
    let columnTicks = Ticks(
      places: columns, spacing: cellWidth, room: textWidth("\(columns)", size: Theme.Size.tick) + 12)
    return rowTicks.values.map { tick in
      Element.label("\(Int(tick))", x: left - 6, y: 24 + (tick + 0.5) * cellHeight + 4, anchor: "end")
    }
      + columnTicks.values.map { tick in
        Element.label("\(Int(tick))", x: left + (tick + 0.5) * cellWidth, y: bottom + 16, anchor: "middle")
      }
  }
}

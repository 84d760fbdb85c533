import Figures

/// A square table of numbers in colours, each written in its cell: how much a few things agree with one another.
struct MatrixChart {
  let labels: [String]
  /// - Shape: [row, column]; as many of each as labels.
  let values: [Double]
  let scale: ColourScale
  var decimals = 2
  /// The room that there is. - Units: pixels.
  var width = Theme.Size.half
  let note: (_ row: Int, _ column: Int, _ value: Double) -> String

  private static let cell = (width: 54.0, height: 34.0)

  func drawing() -> Drawing {
    let longest = (labels.map { textWidth($0, size: Theme.Size.tick) }.max() ?? 0).rounded(.up)
    let left = longest + 10
    let wanted = max(Self.cell.width, longest + 8)
    let columnWidth = min(wanted, ((width - left) / Double(max(1, labels.count))).rounded(.down))
    // Names stand upright where their columns are too narrow for them.
    let isUpright = columnWidth < longest + 4
    let top = isUpright ? longest + 10 : 24.0
    var parts: [Element] = []
    for (index, name) in labels.enumerated() {
      let (x, y) = (left + (Double(index) + 0.5) * columnWidth, top + (Double(index) + 0.5) * Self.cell.height)
      var label = Element.label(
        name, x: isUpright ? x + 4 : x, y: isUpright ? top - 8 : 14, anchor: isUpright ? "start" : "middle")
      if isUpright { label.set("transform", "rotate(-90 \((x + 4).attributeText) \((top - 8).attributeText))") }
      parts.append(label)
      parts.append(Element.label(name, x: left - 8, y: y + 4, anchor: "end"))
    }
    for row in labels.indices {
      for column in labels.indices {
        let value = values[row * labels.count + column]
        let colour = scale.oklab(value)
        let (x, y) = (left + Double(column) * columnWidth, top + Double(row) * Self.cell.height)
        parts.append(
          Element(
            "rect",
            [
              "x": x, "y": y, "width": columnWidth - 1, "height": Self.cell.height - 1,
              colour == nil ? "class" : "fill": colour?.colour.hex ?? "none",
            ]
          ).noted(note(row, column, value)))
        var text = Element.label(
          NumberText.number(value, decimals: decimals), x: x + columnWidth / 2, y: y + Self.cell.height / 2 + 4,
          anchor: "middle",
          style: colour.map { $0.lightness > 0.62 ? "on-light" : "on-dark" } ?? "muted")
        text.set("pointer-events", "none")
        parts.append(text)
      }
    }
    let count = Double(labels.count)
    return Drawing(width: left + count * columnWidth, height: top + count * Self.cell.height, elements: parts)
  }
}

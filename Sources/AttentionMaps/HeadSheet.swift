import Figures
import Foundation
import HeadImpact

/// All pictures of one head on one sheet, as SVG: the photograph, the mask, the average, and one image per word,
/// labelled, with the scales of their colours.
struct HeadSheet {
  struct Tile {
    let label: String
    /// Alternative text.
    let description: String
    let png: [UInt8]
    var isWord = false
  }

  /// A head's attention on one part of the visual tokens.
  struct Picture {
    /// nil if there is one part only.
    let part: String?
    let png: [UInt8]
  }

  let title: String
  /// Under the title, one line each.
  let lines: [String]
  /// Row by row; nil for an empty place.
  let tiles: [Tile?]
  let tilesInRow: Int
  /// Width over height.
  let aspect: Double
  /// The images with a separate scale, and the score of its upper end.
  let scales: [(label: String, highest: Float)]

  // All in pixels.
  private static let margin = 24.0
  private static let gap = 14.0
  private static let labelHeight = 24.0

  private static let style =
    colours(Theme.light) + ".title{font-size:20px;font-weight:600}.word{font-weight:600;font-size:14px}"
    + "\n@media screen and (prefers-color-scheme: dark){\n" + colours(Theme.dark) + "\n}"

  private static func colours(_ colours: Theme.Colours) -> String {
    """
    text{font-family:\(Theme.fonts);font-size:13px;fill:\(colours.ink)}\
    .line,.label{fill:\(colours.muted)}.paper{fill:\(colours.paper)}
    """
  }

  private var tileSize: (width: Double, height: Double) {
    aspect >= 1 ? (224, (224 / aspect).rounded()) : ((240 * aspect).rounded(), 240)
  }

  /// The sheet as an SVG file.
  var svg: String {
    let size = tileSize
    let top = Self.margin + 30 + 20 * Double(lines.count) + 10
    let step = (x: max(size.width, 130) + Self.gap, y: size.height + Self.labelHeight + Self.gap)
    let columns = min(tiles.count, tilesInRow)
    let rows = (tiles.count + tilesInRow - 1) / tilesInRow
    let bottom = top + Double(rows) * step.y
    let width = max(2 * Self.margin + Double(columns) * step.x - Self.gap, 600)
    var parts = [
      Self.gradient, Element.label(title, x: Self.margin, y: Self.margin + 18, style: "title"),
    ]
    for (index, line) in lines.enumerated() {
      parts.append(Element.label(line, x: Self.margin, y: Self.margin + 42 + 20 * Double(index), style: "line"))
    }
    for case (let index, let tile?) in tiles.enumerated() {
      let x = Self.margin + Double(index % tilesInRow) * step.x
      let y = top + Double(index / tilesInRow) * step.y
      parts += elements(of: tile, x: x, y: y, width: step.x)
    }
    for (index, scale) in scales.enumerated() {
      parts += elements(of: scale, x: Self.margin + Double(index) * 290, y: bottom)
    }
    return Element.svgFile(
      title: title, style: Self.style, class: "sheet", width: width, height: bottom + 72, parts)
  }

  private func elements(of tile: Tile, x: Double, y: Double, width: Double) -> [Element] {
    let size = tileSize
    let picture = Element(
      "image",
      [
        "x": x, "y": y + Self.labelHeight, "width": size.width, "height": size.height, "preserveAspectRatio": "none",
        "href": "data:image/png;base64," + Data(tile.png).base64EncodedString(),
      ]
    ).noted(tile.description)
    let label = Element.label(
      shortened(tile.label, to: Int(width / 7.5)), x: x, y: y + 16, style: tile.isWord ? "word" : "label")
    return [label, picture]
  }

  /// The colours from 0 to the highest score, as they look over grey.
  private static let gradient: Element = {
    let stops = (0...16).map { step -> Element in
      let share = Double(step) / 16
      let colour = AttentionVeil.colour(share, over: SIMD3(repeating: 0.5))
      let hex = Colour(red: colour.x, green: colour.y, blue: colour.z).hex
      return Element("stop", ["offset": "\(share)", "stop-color": hex])
    }
    return Element("defs", [:], [Element("linearGradient", ["id": "scale"], stops)])
  }()

  private func elements(of scale: (label: String, highest: Float), x: Double, y: Double) -> [Element] {
    let (width, height) = (256.0, 14.0)
    let ticks = [(Float(0), "start"), (0.5, "middle"), (1, "end")].map { share, anchor in
      Element.label(
        NumberText.significant(Double(share * scale.highest)), x: x + Double(share) * width, y: y + height + 36,
        anchor: anchor, style: "label")
    }
    return [
      Element.label("attention on a visual token: \(scale.label)", x: x, y: y + 12, style: "label"),
      Element("rect", ["x": x, "y": y + 20, "width": width, "height": height, "fill": "url(#scale)"]),
    ] + ticks
  }
}

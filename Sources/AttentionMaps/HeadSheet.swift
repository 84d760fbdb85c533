import Foundation
import HeadImpact
import Figures

/// All pictures of one head on one sheet, as SVG: the photograph, the mask, the average, and a picture a word, labelled, with
/// the scales of their colours.
struct HeadSheet {
  struct Tile {
    let label: String
    /// What is to be seen, for who can't see it.
    let description: String
    let png: [UInt8]
    var isWord = false
  }

  let title: String
  /// Under the title, a line each.
  let lines: [String]
  let tiles: [Tile]
  /// Width over height.
  let aspect: Double
  /// What has a scale of its own, and the score of its upper end.
  let scales: [(label: String, highest: Float)]

  // All in pixels.
  private static let margin = 24.0
  private static let gap = 14.0
  private static let labelHeight = 24.0
  private static let perRow = 5
  private static let font = #"system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif"#

  private var tileSize: (width: Double, height: Double) {
    aspect >= 1 ? (224, (224 / aspect).rounded()) : ((240 * aspect).rounded(), 240)
  }

  var svg: String {
    let size = tileSize
    let top = Self.margin + 30 + 20 * Double(lines.count) + 10
    let step = (x: max(size.width, 130) + Self.gap, y: size.height + Self.labelHeight + Self.gap)
    var body = ""
    for (index, tile) in tiles.enumerated() {
      let x = Self.margin + Double(index % Self.perRow) * step.x
      let y = top + Double(index / Self.perRow) * step.y
      body += text(shortened(tile.label, to: Int(step.x / 7.5)), x: x, y: y + 16, style: tile.isWord ? "word" : "label")
      body += """
        <image x="\(x)" y="\(y + Self.labelHeight)" width="\(size.width)" height="\(size.height)" \
        preserveAspectRatio="none" href="data:image/png;base64,\(Data(tile.png).base64EncodedString())">\
        <title>\(escaped(tile.description))</title></image>

        """
    }
    let columns = min(tiles.count, Self.perRow)
    let rows = (tiles.count + Self.perRow - 1) / Self.perRow
    let bottom = top + Double(rows) * step.y
    let width = max(2 * Self.margin + Double(columns) * step.x - Self.gap, 600)
    let height = bottom + 72
    return """
      <?xml version="1.0" encoding="UTF-8"?>
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \(height)">
      <title>\(escaped(title))</title>
      <style>text{font-family:\(Self.font);font-size:13px;fill:#1b1f23}.title{font-size:20px;font-weight:600}\
      .line,.label{fill:#59636b}.word{font-weight:600;font-size:14px}</style>
      \(Self.gradient)<rect width="\(width)" height="\(height)" fill="#fff"/>
      \(text(title, x: Self.margin, y: Self.margin + 18, style: "title"))\
      \(lines.enumerated().map { text($1, x: Self.margin, y: Self.margin + 42 + 20 * Double($0), style: "line") }.joined())\
      \(body)\(scales.enumerated().map { scale($1, x: Self.margin + Double($0) * 290, y: bottom) }.joined())</svg>

      """
  }

  /// The colours from 0 to the highest score, as they look over grey.
  private static let gradient: String = {
    let stops = (0...16).map { step in
      let colour = Overlay.colour(Double(step) / 16, over: 0.5)
      let channels = (0..<3).map { String(Int((colour[$0] * 255).rounded())) }.joined(separator: ",")
      return "<stop offset=\"\(Double(step) / 16)\" stop-color=\"rgb(\(channels))\"/>"
    }
    return "<defs><linearGradient id=\"scale\">\(stops.joined())</linearGradient></defs>\n"
  }()

  private func scale(_ scale: (label: String, highest: Float), x: Double, y: Double) -> String {
    let (width, height) = (256.0, 14.0)
    let ticks = [(Float(0), "start"), (0.5, "middle"), (1, "end")].map { share, anchor in
      text(
        scoreText(share * scale.highest), x: x + Double(share) * width, y: y + height + 36, style: "label",
        anchor: anchor)
    }
    return text("attention on a visual token: \(scale.label)", x: x, y: y + 12, style: "label")
      + "<rect x=\"\(x)\" y=\"\(y + 20)\" width=\"\(width)\" height=\"\(height)\" fill=\"url(#scale)\"/>\n"
      + ticks.joined()
  }

  private func text(_ words: String, x: Double, y: Double, style: String, anchor: String = "start") -> String {
    "<text x=\"\(x)\" y=\"\(y)\" text-anchor=\"\(anchor)\" class=\"\(style)\">\(escaped(words))</text>\n"
  }
}

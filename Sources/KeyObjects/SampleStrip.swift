import COCO
import Figures
import HeadImpact
import ImageInput

/// A sample as the paper's figures 1 and 2 show it: the photograph, the object in it, and the visual tokens that
/// represent the object.
struct SampleStrip {
  let photograph: RGBImage
  let object: RGBImage
  /// nil if there is no model to determine its tokens.
  let tokens: RGBImage?

  /// - Parameters:
  ///   - cells: of the model's visual tokens; `mask` which of them are the object's.
  init(_ photograph: RGBImage, mask: BinaryMask, tokens: (cells: [Cell], mask: TokenMask)?) {
    self.photograph = photograph
    object = photograph.dimmed { x, y in mask.pixels[y * mask.width + x] == 1 }
    self.tokens = tokens.map { tokens in
      let chosen = zip(tokens.cells, tokens.mask.isObject).filter(\.1).map(\.0)
      var lit = [Bool](repeating: false, count: photograph.width * photograph.height)
      for cell in chosen {
        for y in Self.pixels(cell.y0, cell.y1, photograph.height) {
          for x in Self.pixels(cell.x0, cell.x1, photograph.width) { lit[y * photograph.width + x] = true }
        }
      }
      // The grid is drawn one pixel wide at the size that the panels are shown in.
      let line = max(1, photograph.width / Int(Self.panelWidth))
      var edges = [Bool](repeating: false, count: lit.count)
      for cell in tokens.cells {
        for y in Self.pixels(cell.y0, cell.y1, photograph.height) {
          for x in Self.pixels(cell.x0, cell.x0 + Double(line), photograph.width) {
            edges[y * photograph.width + x] = true
          }
        }
        for y in Self.pixels(cell.y0, cell.y0 + Double(line), photograph.height) {
          for x in Self.pixels(cell.x0, cell.x1, photograph.width) { edges[y * photograph.width + x] = true }
        }
      }
      return photograph.dimmed(edges: { x, y in edges[y * photograph.width + x] }) { x, y in
        lit[y * photograph.width + x]
      }
    }
  }

  /// The pixels whose centre lies between two bounds.
  private static func pixels(_ from: Double, _ to: Double, _ limit: Int) -> Range<Int> {
    let first = min(max(0, Int((from - 0.5).rounded(.up))), limit)
    return first..<max(first, min(limit, Int((to - 0.5).rounded(.up))))
  }

  // MARK: - Drawing

  static let panelWidth = 220.0
  static let panelHeight = 165.0
  static let gap = 6.0

  var panels: [RGBImage] { [photograph, object] + (tokens.map { [$0] } ?? []) }

  static func width(panels: Int) -> Double { Double(panels) * panelWidth + Double(panels - 1) * gap }

  /// Draws the panels side by side.
  func draw(on canvas: Canvas, x: Double, y: Double) throws {
    for (index, panel) in panels.enumerated() {
      let frame = Rectangle(
        x: x + Double(index) * (Self.panelWidth + Self.gap), y: y, width: Self.panelWidth, height: Self.panelHeight)
      canvas.fill(frame, Colour(grey: 0.93))
      try canvas.draw(panel, in: frame.fitting(width: Double(panel.width), height: Double(panel.height)))
    }
  }
}

extension RGBImage {
  /// The image dark and grey except where it is highlighted: there it shows through amber, on which dark objects show
  /// as well as light ones. Edges are drawn over it.
  fileprivate func dimmed(edges: (Int, Int) -> Bool = { _, _ in false }, lit: (Int, Int) -> Bool) -> RGBImage {
    let amber = [255, 160, 30]
    var result = pixels
    for y in 0..<height {
      for x in 0..<width {
        let at = (y * width + x) * 3
        let grey = (Int(pixels[at]) * 299 + Int(pixels[at + 1]) * 587 + Int(pixels[at + 2]) * 114) / 1000
        let (isLit, isEdge) = (lit(x, y), edges(x, y))
        for part in 0..<3 {
          let value = isLit ? (Int(pixels[at + part]) * 55 + amber[part] * 45) / 100 : grey * 3 / 10
          result[at + part] = UInt8(isEdge ? value * 6 / 10 + 60 : value)
        }
      }
    }
    return RGBImage(width: width, height: height, pixels: result)
  }
}

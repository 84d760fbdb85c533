import COCO
import Figures
import HeadImpact
import ImageInput

/// A sample as the paper's figures 1 and 2 show it: the photograph, the object in it, and the visual tokens that represent
/// the object.
struct SampleStrip {
  let photograph: RGBImage
  let object: RGBImage
  /// nil if there is no model to determine its tokens.
  let tokens: RGBImage?

  /// - Parameter tokens: the cells of the model's visual tokens, and which of them are the object's.
  init(_ photograph: RGBImage, mask: BinaryMask, tokens: [(cell: Cell, isObject: Bool)]?) {
    self.photograph = photograph
    let under = Photograph(photograph)
    object = under.drawn { Self.colour(under, $0, isLit: mask[$0]) }
    self.tokens = tokens.map { tokens in
      let (width, height) = under.size
      let boxes = tokens.map { PixelBox($0.cell, of: (width, height), in: (width, height)) }
      let lit = BinaryMask(
        width: width, height: height, boxes: zip(boxes, tokens).filter(\.1.isObject).map(\.0))
      // The grid is drawn one pixel wide at the size that the panels are shown in.
      let line = max(1, width / Int(Self.panelWidth))
      let edges = BinaryMask(
        width: width, height: height,
        boxes: boxes.flatMap { box in
          [
            PixelBox(columns: box.columns.prefix(line), rows: box.rows),
            PixelBox(columns: box.columns, rows: box.rows.prefix(line)),
          ]
        })
      return under.drawn { pixel in
        let colour = Self.colour(under, pixel, isLit: lit[pixel])
        return edges[pixel] ? colour.veiled(by: Self.edge, 0.4) : colour
      }
    }
  }

  private static let amber = SIMD3(Colour(0xffa01e))
  private static let edge = SIMD3(repeating: 150.0 / 255)

  /// Dark and grey except where it is highlighted: there it shows through amber, on which dark and light objects are visible.
  private static func colour(_ photograph: Photograph, _ pixel: Int, isLit: Bool) -> SIMD3<Double> {
    isLit ? photograph.colour(pixel).veiled(by: amber, 0.45) : photograph.grey(pixel, dimmed: 0.3)
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

import COCO
import HeadImpact
import ImageInput
import Figures

/// Draws scores over a photograph, in blocks: a visual token's cell has one colour, whatever is in it.
struct Overlay {
  /// The longest side of what is drawn. - Units: pixels.
  static let longestSide = 384

  /// The photograph at the size of what is drawn.
  let photograph: RGBImage
  /// The pixels of each visual token's cell.
  private let cells: [(columns: Range<Int>, rows: Range<Int>)]
  /// Whether a pixel is on the border of the cells that the object covers. - Shape: [height, width].
  private let isBorder: [Bool]

  /// - Parameter mask: the visual tokens that the object covers, which are framed; nil for none.
  /// - Throws: `ImageError`.
  init(_ image: RGBImage, cells: [Cell], mask: TokenMask?) throws {
    let scale = Double(Self.longestSide) / Double(max(image.width, image.height))
    let width = max(1, Int((Double(image.width) * scale).rounded()))
    let height = max(1, Int((Double(image.height) * scale).rounded()))
    func pixels(_ from: Double, _ to: Double, of side: Int, in drawn: Int) -> Range<Int> {
      let scale = Double(drawn) / Double(side)
      let first = min(max(Int((from * scale).rounded()), 0), drawn)
      return first..<max(first, min(Int((to * scale).rounded()), drawn))
    }
    photograph = try resize(image, to: (width, height), filter: .bicubic)
    self.cells = cells.map {
      (pixels($0.x0, $0.x1, of: image.width, in: width), pixels($0.y0, $0.y1, of: image.height, in: height))
    }
    var isObject = [Bool](repeating: false, count: width * height)
    for (isMasked, cell) in zip(mask?.isObject ?? [], self.cells) where isMasked {
      for y in cell.rows { for x in cell.columns { isObject[y * width + x] = true } }
    }
    isBorder = isObject.indices.map { pixel in
      let (x, y) = (pixel % width, pixel / width)
      return isObject[pixel]
        && (-1...1).contains { dy in
          (-1...1).contains { dx in
            let isInside = (0..<width).contains(x + dx) && (0..<height).contains(y + dy)
            return !isInside || !isObject[(y + dy) * width + x + dx]
          }
        }
    }
  }

  /// The photograph in dim grey under the scores; where views overlap, the highest shows.
  ///
  /// - Parameters:
  ///   - scores: [V].
  ///   - highest: the score of the palette's last colour.
  func picture(of scores: [Float], highest: Float) -> RGBImage {
    var shares = [Double](repeating: 0, count: photograph.width * photograph.height)
    for (score, cell) in zip(scores, cells) {
      let share = highest > 0 ? Double(score / highest) : 0
      for y in cell.rows {
        for x in cell.columns {
          shares[y * photograph.width + x] = max(shares[y * photograph.width + x], share)
        }
      }
    }
    return draw { pixel in Self.colour(shares[pixel], over: grey(pixel)) }
  }

  /// The object in its colours, all else in dim grey.
  func picture(of mask: BinaryMask) -> RGBImage {
    draw { pixel in
      let x = (2 * (pixel % photograph.width) + 1) * mask.width / (2 * photograph.width)
      let y = (2 * (pixel / photograph.width) + 1) * mask.height / (2 * photograph.height)
      return mask.pixels[y * mask.width + x] == 1 ? colour(pixel) : SIMD3(repeating: 0.55 * grey(pixel))
    }
  }

  /// What a share of the highest score looks like over a grey photograph: the more of the palette the higher it is.
  ///
  /// - Parameter grey: the photograph's brightness, in [0, 1].
  static func colour(_ share: Double, over grey: Double) -> SIMD3<Double> {
    let part = 0.35 + 0.55 * min(max(share, 0), 1)
    let colour = Palette.sequential.colour(at: share)
    let shown = SIMD3(colour.red, colour.green, colour.blue).clamped(
      lowerBound: SIMD3(repeating: 0), upperBound: SIMD3(repeating: 1))
    return SIMD3(repeating: (1 - part) * 0.75 * grey) + part * shown
  }

  private func draw(_ colour: (_ pixel: Int) -> SIMD3<Double>) -> RGBImage {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(photograph.pixels.count)
    for pixel in 0..<photograph.width * photograph.height {
      let colour = isBorder[pixel] ? SIMD3(repeating: 1) : colour(pixel)
      for channel in 0..<3 { pixels.append(UInt8((colour[channel] * 255).rounded())) }
    }
    return RGBImage(width: photograph.width, height: photograph.height, pixels: pixels)
  }

  private func colour(_ pixel: Int) -> SIMD3<Double> {
    let at = 3 * pixel
    return SIMD3(
      Double(photograph.pixels[at]), Double(photograph.pixels[at + 1]), Double(photograph.pixels[at + 2])) / 255
  }

  private func grey(_ pixel: Int) -> Double {
    let colour = colour(pixel)
    return 0.299 * colour.x + 0.587 * colour.y + 0.114 * colour.z
  }
}

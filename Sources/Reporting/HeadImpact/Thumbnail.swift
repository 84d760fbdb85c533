import Figures
import COCO
import HeadImpact
import ImageInput

/// A small picture with the object outlined, and the same with a head's attention laid over it.
struct Thumbnail {
  /// The longer side. - Units: pixels.
  static let side = 360

  private let image: RGBImage
  /// - Shape: [height, width] of the small picture.
  private let mask: [Bool]

  init(_ picture: RGBImage, mask full: BinaryMask) throws {
    let scale = Double(Self.side) / Double(max(picture.width, picture.height))
    let width = max(1, Int((Double(picture.width) * scale).rounded()))
    let height = max(1, Int((Double(picture.height) * scale).rounded()))
    image = try resizeBicubic(picture, to: (width: width, height: height))
    mask = (0..<(width * height)).map { index in
      let x = (index % width * 2 + 1) * full.width / (2 * width)
      let y = (index / width * 2 + 1) * full.height / (2 * height)
      return full.pixels[y * full.width + x] != 0
    }
  }

  /// The picture with the object's outline.
  func outlined() -> RGBImage { withOutline(image.pixels) }

  /// The picture in grey under the attention's colours, with the object's outline.
  ///
  /// - Parameter scores: [rows, columns] of the grid.
  func overlaid(_ scores: [Float], on grid: ViewGrid) -> RGBImage {
    let peak = max(scores.max() ?? 0, .leastNormalMagnitude)
    let colours = (0...255).map { Palette.sequential.colour(at: Double($0) / 255).bytes }
    var pixels = image.pixels
    for y in 0..<image.height {
      let row = y * grid.rows / image.height
      for x in 0..<image.width {
        let score = scores[row * grid.cols + x * grid.cols / image.width] / peak
        let colour = colours[Int((score * 255).rounded())]
        let at = (y * image.width + x) * 3
        let grey = (Int(pixels[at]) * 30 + Int(pixels[at + 1]) * 59 + Int(pixels[at + 2]) * 11) / 100
        for channel in 0..<3 { pixels[at + channel] = UInt8((grey * 35 + Int(colour[channel]) * 65) / 100) }
      }
    }
    return withOutline(pixels)
  }

  /// A white line along the mask's inner edge, with a black one outside it: one of the two is seen on any picture.
  private func withOutline(_ pixels: [UInt8]) -> RGBImage {
    var pixels = pixels
    let (width, height) = (image.width, image.height)
    func isMask(_ x: Int, _ y: Int) -> Bool {
      x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x]
    }
    func touches(_ x: Int, _ y: Int, _ other: Bool, within reach: Int) -> Bool {
      for dy in -reach...reach {
        for dx in -reach...reach where isMask(x + dx, y + dy) == other { return true }
      }
      return false
    }
    for y in 0..<height {
      for x in 0..<width {
        let inside = mask[y * width + x]
        guard touches(x, y, !inside, within: inside ? 2 : 1) else { continue }
        for channel in 0..<3 { pixels[(y * width + x) * 3 + channel] = inside ? 255 : 0 }
      }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }
}

/// The grid that a picture's visual tokens form, found again from their number.
///
/// hi.h5 doesn't store it, and families differ. So the grids whose cells are closest to squares are tried: the right
/// one gives the number of mask tokens, and the HI, that the file has.
struct GridSearch {
  let mask: BinaryMask
  let options: (coverage: Double, sinkFactor: Double)

  /// - Parameters:
  ///   - scores: a head's, [visual].
  ///   - maskTokens: what the file has; so too `hi`, of that head by `measure`.
  /// - Returns: nil if none fits: the family cuts the picture into tiles, say.
  func grid(of scores: [Float], maskTokens: Int, hi: Double, by measure: Measure) throws -> ViewGrid? {
    let aspect = Double(mask.width) / Double(mask.height)
    func distortion(_ grid: ViewGrid) -> Double {
      let ratio = Double(grid.cols) / Double(grid.rows) / aspect
      return max(ratio, 1 / ratio)
    }
    let candidates = (1...max(1, scores.count)).filter { scores.count % $0 == 0 }
      .map { ViewGrid(rows: $0, cols: scores.count / $0) }.sorted { distortion($0) < distortion($1) }
    for grid in candidates.prefix(3) where try fits(grid, scores, maskTokens: maskTokens, hi: hi, by: measure) {
      return grid
    }
    return nil
  }

  private func fits(
    _ grid: ViewGrid, _ scores: [Float], maskTokens: Int, hi: Double, by measure: Measure
  ) throws -> Bool {
    let tokens: TokenMask
    do { tokens = try TokenMask(of: mask, cells: cells(of: grid), threshold: options.coverage) } catch is UnusableSample
    {
      return false
    }
    guard tokens.count == maskTokens else { return false }
    let found = try scores.withUnsafeBufferPointer {
      try headImpacts(scores: $0, heads: 1, mask: tokens, views: [grid], sinkFactor: options.sinkFactor)
    }
    return abs(found.hi[measure.index] - hi) < 1e-5
  }

  /// Even rectangles of the whole picture.
  private func cells(of grid: ViewGrid) -> [Cell] {
    (0..<(grid.rows * grid.cols)).map { index in
      let (row, column) = (index / grid.cols, index % grid.cols)
      return Cell(
        x0: Double(column * mask.width) / Double(grid.cols), y0: Double(row * mask.height) / Double(grid.rows),
        x1: Double((column + 1) * mask.width) / Double(grid.cols),
        y1: Double((row + 1) * mask.height) / Double(grid.rows))
    }
  }
}

import COCO
import Figures
import HeadImpact
import ImageInput

/// A small picture with the object outlined, and the same with a head's attention laid over it.
struct Thumbnail {
  /// The longer side. - Units: pixels.
  static let side = 360
  /// Of the picture that it leads to, which is no larger than the photograph.
  static let largeSide = 1024

  private let under: Photograph
  private let mask: BinaryMask
  /// The picture's own size.
  private let original: (width: Int, height: Int)

  /// - Parameter side: the longer one. - Units: pixels.
  init(_ picture: RGBImage, mask full: BinaryMask, side: Int) throws {
    original = (picture.width, picture.height)
    // A thumbnail has the same size whatever the picture's; what it leads to isn't enlarged.
    let longest = side == Self.side ? side : min(side, max(picture.width, picture.height))
    under = try Photograph(picture, longestSide: longest)
    mask = full.resized(width: under.size.width, height: under.size.height)
  }

  /// The picture with the object's outline.
  func outlined() -> RGBImage { withOutline(under.colour) }

  /// The picture, paled, under the attention's colours, with the object's outline.
  ///
  /// - Parameters:
  ///   - scores: of the views' tokens, one view after another.
  ///   - peak: the score of the palette's last colour.
  func overlaid(_ scores: some Sequence<Float>, on views: [ImageView], peak: Float) -> RGBImage {
    let (width, height) = under.size
    var shares = [Double?](repeating: nil, count: width * height)
    for (score, cell) in zip(scores, views.flatMap(\.cells)) {
      let box = PixelBox(cell, of: original, in: under.size)
      for y in box.rows {
        for x in box.columns { shares[y * width + x] = Double(score / max(peak, .leastNormalMagnitude)) }
      }
    }
    return withOutline { pixel in
      let paled = under.paled(pixel)
      return shares[pixel].map { AttentionVeil.colour($0, over: paled) } ?? paled
    }
  }

  /// A white line along the mask's inner edge, with a black one outside it: one of the two is seen on any picture.
  private func withOutline(_ colour: (_ pixel: Int) -> SIMD3<Double>) -> RGBImage {
    let (inside, outside) = (mask.innerEdge(2), mask.outerEdge(1))
    return under.drawn { inside[$0] ? .one : outside[$0] ? .zero : colour($0) }
  }
}

/// The grid that a picture's visual tokens form, found again from their number.
///
/// Files of older versions don't have it. So the grids whose cells are closest to squares are tried: the right
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

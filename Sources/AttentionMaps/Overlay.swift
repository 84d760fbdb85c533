import COCO
import Figures
import HeadImpact
import ImageInput

/// Draws scores over a photograph, in blocks: a visual token's cell has one colour, whatever is in it.
struct Overlay {
  /// The longest side of a picture that is a file. - Units: pixels.
  static let longestSide = 384

  private let under: Photograph
  /// The pixels of each visual token's cell.
  private let cells: [PixelBox]
  /// The border of the cells that the object covers, on their side.
  private let border: BinaryMask

  /// The photograph at the size of what is drawn.
  var photograph: RGBImage { under.image }

  /// - Parameter isFramed: of each cell whether the object covers it; none if there is no mask.
  /// - Throws: `ImageError`.
  init(_ image: RGBImage, cells: [Cell], isFramed: [Bool] = []) throws {
    under = try Photograph(image, longestSide: Self.longestSide)
    let (size, whole) = (under.size, (image.width, image.height))
    self.cells = cells.map { PixelBox($0, of: whole, in: size) }
    let covered = zip(isFramed, self.cells).filter(\.0).map(\.1)
    border = BinaryMask(width: size.width, height: size.height, boxes: covered).innerEdge(1)
  }

  /// The photograph, paled, under the scores; where cells overlap, the highest shows.
  ///
  /// - Parameters:
  ///   - scores: [V].
  ///   - highest: the score of the palette's last colour.
  func picture(of scores: [Float], highest: Float) -> RGBImage {
    let width = under.image.width
    var shares = [Double](repeating: 0, count: width * under.image.height)
    for (score, cell) in zip(scores, cells) {
      let share = highest > 0 ? Double(score / highest) : 0
      for y in cell.rows {
        for x in cell.columns { shares[y * width + x] = max(shares[y * width + x], share) }
      }
    }
    return framed { AttentionVeil.colour(shares[$0], over: under.paled($0)) }
  }

  /// The object in its colours, all else in dim grey.
  func picture(of mask: BinaryMask) -> RGBImage {
    let object = mask.resized(width: under.size.width, height: under.size.height)
    return framed { object[$0] ? under.colour($0) : under.grey($0, dimmed: 0.55) }
  }

  private func framed(_ colour: (_ pixel: Int) -> SIMD3<Double>) -> RGBImage {
    under.drawn { border[$0] ? .one : colour($0) }
  }
}

import COCO
import Figures
import HeadImpact
import ImageInput

/// A picture with what was found in its colours, all else in dim grey.
enum PlacePicture {
  /// - Units: pixels.
  static let longestSide = 420

  /// - Parameter mask: of the picture's size.
  /// - Throws: `ImageError`.
  static func image(_ picture: RGBImage, found mask: BinaryMask) throws -> RGBImage {
    let under = try Photograph(picture, longestSide: longestSide)
    let found = mask.resized(width: under.size.width, height: under.size.height)
    return under.drawn { found[$0] ? under.colour($0) : under.grey($0, dimmed: 0.5) }
  }
}

import COCO
import ImageInput

/// What of a picture a model is shown where it is asked about one object alone.
public enum ObjectView: String, CaseIterable, Sendable {
  /// The object's rectangle with some margin.
  case crop
  /// The whole picture, grey where the object isn't.
  case masked

  /// The margin on each side, as a share of the rectangle's.
  private static let margin = 0.1
  private static let grey: UInt8 = 128

  /// - Parameter leastSide: no side of a crop is shorter, in pixels, where the picture has as many: families refuse
  ///   slivers.
  /// - Throws: `COCOError` if the mask covers nothing.
  func picture(of image: RGBImage, mask: BinaryMask, leastSide: Int) throws -> RGBImage {
    let rows = (0..<mask.height).filter { y in (0..<mask.width).contains { mask.pixels[y * mask.width + $0] == 1 } }
    let columns = (0..<mask.width).filter { x in (0..<mask.height).contains { mask.pixels[$0 * mask.width + x] == 1 } }
    guard let top = rows.first, let bottom = rows.last, let left = columns.first, let right = columns.last else {
      throw COCOError(problem: "the mask covers no pixel of the image")
    }
    switch self {
    case .crop:
      return image.cropped(
        x: Self.span(left...right, of: image.width, leastSide), y: Self.span(top...bottom, of: image.height, leastSide))
    case .masked:
      var pixels = image.pixels
      for (at, covered) in mask.pixels.enumerated() where covered == 0 {
        for part in 0..<3 { pixels[at * 3 + part] = Self.grey }
      }
      return RGBImage(width: image.width, height: image.height, pixels: pixels)
    }
  }

  /// A side of the crop, inside the picture.
  private static func span(_ object: ClosedRange<Int>, of side: Int, _ leastSide: Int) -> Range<Int> {
    let missing = max(0, leastSide - object.count)
    let more = max(Int((margin * Double(object.count)).rounded()), (missing + 1) / 2)
    let first = max(0, object.lowerBound - more)
    let end = min(side, max(object.upperBound + 1 + more, min(side, first + leastSide)))
    return max(0, min(first, end - leastSide))..<end
  }
}

extension RGBImage {
  fileprivate func cropped(x columns: Range<Int>, y rows: Range<Int>) -> RGBImage {
    var part: [UInt8] = []
    part.reserveCapacity(columns.count * rows.count * 3)
    for y in rows {
      part += pixels[(y * width + columns.lowerBound) * 3..<(y * width + columns.upperBound) * 3]
    }
    return RGBImage(width: columns.count, height: rows.count, pixels: part)
  }
}

/// How a stored picture is to be turned to stand upright: the values of EXIF's tag 274.
public enum Orientation: Int, Sendable, Equatable, CaseIterable {
  case upright = 1
  case mirrored = 2
  case upsideDown = 3
  case flipped = 4
  case transposed = 5
  /// Stored lying on its left side: to be turned clockwise.
  case turnedLeft = 6
  case transversed = 7
  /// Stored lying on its right side: to be turned anticlockwise.
  case turnedRight = 8

  /// Whether turning exchanges width and height.
  public var swapsSides: Bool { rawValue >= 5 }

  /// Where a pixel of the upright picture comes from: the stored pixel of (0, 0), and the steps to the next stored pixel
  /// for one to the right and one down.
  fileprivate func source(width: Int, height: Int) -> (first: Int, right: Int, down: Int) {
    let end = width * height - 1
    return switch self {
    case .upright: (0, 1, width)
    case .mirrored: (width - 1, -1, width)
    case .upsideDown: (end, -1, -width)
    case .flipped: (end - (width - 1), 1, -width)
    case .transposed: (0, width, 1)
    case .turnedLeft: (end - (width - 1), -width, 1)
    case .transversed: (end, -width, -1)
    case .turnedRight: (width - 1, width, -1)
    }
  }
}

extension RGBImage {
  /// The picture upright, as Pillow's `ImageOps.exif_transpose` turns it.
  func turned(by orientation: Orientation) -> RGBImage {
    if orientation == .upright { return self }
    let (first, right, down) = orientation.source(width: width, height: height)
    let (newWidth, newHeight) = orientation.swapsSides ? (height, width) : (width, height)
    // Squares of pixels, so that a picture on its side is not read one pixel a cache line.
    let block = 64
    let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { into, count in
      pixels.withUnsafeBufferPointer { from in
        for top in stride(from: 0, to: newHeight, by: block) {
          for left in stride(from: 0, to: newWidth, by: block) {
            for y in top..<Swift.min(top + block, newHeight) {
              var source = 3 * (first + left * right + y * down)
              var target = 3 * (y * newWidth + left)
              for _ in left..<Swift.min(left + block, newWidth) {
                into[target] = from[source]
                into[target + 1] = from[source + 1]
                into[target + 2] = from[source + 2]
                source += 3 * right
                target += 3
              }
            }
          }
        }
      }
      count = pixels.count
    }
    return RGBImage(width: newWidth, height: newHeight, pixels: turned)
  }
}

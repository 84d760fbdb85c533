/// One object's mask over an image.
///
/// - Shape: `pixels` is [height, width], row-major; each value is 0 or 1.
public struct BinaryMask: Sendable, Equatable {
  public let height: Int
  public let width: Int
  public let pixels: [UInt8]

  /// The largest image a mask is made for, in pixels: Pillow's own limit for an image it opens.
  /// A file can claim any size; this keeps the claim from becoming an allocation.
  public static let maximumPixels = 178_956_970

  public init(height: Int, width: Int, pixels: [UInt8]) {
    precondition(pixels.count == height * width)
    self.height = height
    self.width = width
    self.pixels = pixels
  }

  /// The number of pixels that are set.
  public var area: Int { pixels.reduce(into: 0) { $0 += Int($1) } }

  /// Refuses a size that no mask can have, before anything is allocated for it.
  ///
  /// - Throws: `COCOError` for a side below 1 or more than `maximumPixels` pixels.
  static func checkSize(height: Int, width: Int) throws {
    guard height > 0, width > 0 else {
      throw COCOError(problem: "a mask of \(width) x \(height) pixels: both sides must be at least 1")
    }
    let (pixels, overflow) = height.multipliedReportingOverflow(by: width)
    guard !overflow, pixels <= maximumPixels else {
      throw COCOError(problem: "a mask of \(width) x \(height) pixels: the limit is \(maximumPixels) pixels")
    }
  }
}

/// Row-major pixels being painted with runs that count down the columns, as COCO's do.
struct MaskCanvas {
  let height: Int
  let width: Int
  private(set) var pixels: [UInt8]

  init(height: Int, width: Int) {
    self.height = height
    self.width = width
    pixels = [UInt8](repeating: 0, count: height * width)
  }

  /// Sets the pixels `run` of the column-major order.
  mutating func paint(_ run: Range<Int>) {
    guard !run.isEmpty else { return }
    var column = run.lowerBound / height
    var row = run.lowerBound % height
    var left = run.count
    while left > 0 {
      let here = min(left, height - row)
      var at = row * width + column
      for _ in 0..<here {
        pixels[at] = 1
        at += width
      }
      left -= here
      row = 0
      column += 1
    }
  }

  var mask: BinaryMask { BinaryMask(height: height, width: width, pixels: pixels) }
}

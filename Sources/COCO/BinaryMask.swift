/// One object's mask over an image.
///
/// - Shape: `pixels` is [height, width], row-major; each value is 0 or 1.
public struct BinaryMask: Sendable, Equatable {
  public let height: Int
  public let width: Int
  public let pixels: [UInt8]

  public init(height: Int, width: Int, pixels: [UInt8]) {
    precondition(pixels.count == height * width)
    self.height = height
    self.width = width
    self.pixels = pixels
  }
}

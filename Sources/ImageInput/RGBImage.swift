/// A decoded image.
///
/// - Shape: `pixels` is [height, width, 3], row-major: red, green, blue, 8 bits each.
public struct RGBImage: Sendable, Equatable {
  public let width: Int
  public let height: Int
  public let pixels: [UInt8]

  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0 && pixels.count == width * height * 3)
    self.width = width
    self.height = height
    self.pixels = pixels
  }
}

/// Why an image or an image processor's configuration can't be used: which file, what is wrong, what would be right.
public struct ImageInputError: Error, CustomStringConvertible, Equatable {
  public let file: String
  public let reason: String

  public init(file: String, reason: String) {
    self.file = file
    self.reason = reason
  }

  public var description: String { "\(file): \(reason)" }
}

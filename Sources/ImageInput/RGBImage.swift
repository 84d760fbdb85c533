import IO

/// A picture of 8-bit red, green and blue.
///
/// - Shape: `pixels` is [height, width, 3], row-major.
public struct RGBImage: Sendable, Equatable {
  public let width: Int
  public let height: Int
  public let pixels: [UInt8]

  /// The largest picture that is opened, in pixels: beyond it Pillow sees a decompression bomb.
  public static let maximumPixels = 178_956_970

  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0 && pixels.count == width * height * 3)
    self.width = width
    self.height = height
    self.pixels = pixels
  }
}

/// What is wrong with a picture, or with what is to be done to it.
public struct ImageError: ContentFault, CustomStringConvertible, Equatable, Sendable {
  /// The file, as the user named it; nil if a value did not come from a file.
  public let file: String?
  /// What is wrong and what would be right.
  public let problem: String

  public init(file: String? = nil, problem: String) {
    self.file = file
    self.problem = problem
  }

  public var description: String { file.map { "\($0): \(problem)" } ?? problem }

  func inFile(_ name: String) -> ImageError { ImageError(file: name, problem: problem) }
}

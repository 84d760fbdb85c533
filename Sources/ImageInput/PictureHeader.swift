import CImageCodecs
import Foundation
import IO

/// What a picture's file says before its pixels.
public struct PictureHeader: Sendable, Equatable {
  public let format: ImageFormat
  /// The size in which it is stored.
  ///
  /// - Units: pixels.
  public let storedWidth: Int
  public let storedHeight: Int
  /// How the stored picture is turned to stand upright.
  public let orientation: Orientation

  /// The size of the upright picture, which is the one that everything is measured in.
  ///
  /// - Units: pixels.
  public var width: Int { orientation.swapsSides ? storedHeight : storedWidth }
  public var height: Int { orientation.swapsSides ? storedWidth : storedHeight }

  /// Reads no more of the file than it takes.
  ///
  /// - Throws: `ImageError` naming the file if it is of no format that is read, or ends too early; the pixels may still
  ///   turn out corrupt. `MissingFile` or `EnvironmentFault` where it can't be read.
  public init(contentsOf url: URL) throws {
    // Nearly always 64 KiB will do; a JPEG may have megabytes of metadata before its size, PNG and TIFF behind it.
    for amount in [1 << 16, 1 << 22, Int.max] {
      let bytes = try InputFile.read(url, upTo: amount)
      do {
        self = try PictureHeader(bytes, isWhole: bytes.count < amount)
        return
      } catch is HeaderEndsEarly {
        continue
      } catch let error as ImageError {
        throw error.inFile(url.path)
      }
    }
    throw ImageError(file: url.path, problem: HeaderEndsEarly.problem)
  }

  /// - Parameter isWhole: whether there are no more bytes to come.
  /// - Throws: `ImageError`; `HeaderEndsEarly` only where there are more bytes to come.
  init(_ bytes: [UInt8], isWhole: Bool) throws {
    do {
      try self.init(parsing: bytes, isWhole: isWhole)
    } catch let error as HeaderEndsEarly where isWhole {
      throw ImageError(problem: error.description)
    }
  }

  private init(parsing bytes: [UInt8], isWhole: Bool) throws {
    let format = try ImageFormat(bytes)
    let size: (width: Int, height: Int)
    var orientation = Orientation.upright
    switch format {
    case .jpeg:
      let header = try JPEGHeader(bytes)
      (size, orientation) = ((header.width, header.height), header.orientation)
    case .png:
      let header = try PNGHeader(bytes)
      size = (header.width, header.height)
      orientation = try PNGChunks.orientation(bytes, isWhole: isWhole)
    case .webp:
      let header = try WebPHeader(bytes, isWhole: isWhole)
      (size, orientation) = ((header.width, header.height), header.orientation)
    case .tiff:
      guard isWhole else { throw HeaderEndsEarly() }
      let header = try TIFFHeader(bytes)
      (size, orientation) = ((header.width, header.height), header.orientation)
    case .gif: size = try gifSize(bytes)
    case .bmp:
      let header = try BMPHeader(bytes)
      size = (header.width, header.height)
    }
    self.format = format
    (storedWidth, storedHeight) = size
    self.orientation = orientation
    try checkImageSize(width: storedWidth, height: storedHeight)
  }

  /// What is wrong where a dataset states another size for the picture; nil if it is the same.
  ///
  /// - Parameter name: what the file is called.
  public func problem(named name: String, statedSize: (width: Int, height: Int)) -> String? {
    if (width, height) == statedSize { return nil }
    let turning = orientation == .upright ? "" : ", upright, as its EXIF orientation \(orientation.rawValue) says"
    let difference =
      "\(name) is \(width)x\(height) pixels\(turning); the dataset says \(statedSize.width)x\(statedSize.height)"
    guard orientation.swapsSides, (storedWidth, storedHeight) == statedSize else { return difference }
    return difference
      + ", the size before turning: state the upright size and outlines, or, where the outlines are of the stored "
      + "pixels, remove the tag from the file"
  }
}

/// The size of a picture when upright, from its header alone.
///
/// - Units: pixels.
/// - Throws: as `PictureHeader(contentsOf:)`.
public func imageSize(contentsOf url: URL) throws -> (width: Int, height: Int) {
  let header = try PictureHeader(contentsOf: url)
  return (header.width, header.height)
}

/// The bytes end before the size of the picture is known.
struct HeaderEndsEarly: Error, CustomStringConvertible {
  static let problem = "the file ends before the picture's size: it is cut off"
  var description: String { Self.problem }
}

/// Refuses a size that no picture may have, before anything is allocated for it.
public func checkImageSize(width: Int, height: Int) throws {
  guard width > 0, height > 0 else {
    throw ImageError(problem: "a picture of \(width) x \(height) pixels: both sides must be at least 1")
  }
  let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
  guard !overflow, pixels <= RGBImage.maximumPixels else {
    throw ImageError(
      problem: "a picture of \(width) x \(height) pixels: the limit is \(RGBImage.maximumPixels) pixels")
  }
}

import Files
import Foundation

/// Decodes a JPEG or PNG file to the pixels that Pillow's `Image.open(file).convert("RGB")` gives.
///
/// As there, the orientation in EXIF data, gamma and colour profiles are not applied, and transparency is dropped.
///
/// - Throws: `ImageError` naming the file, where it can't be read, is neither JPEG nor PNG, ends too early, is corrupt,
///   or claims no pixels or more than `RGBImage.maximumPixels`.
public func decodeImage(contentsOf url: URL) throws -> RGBImage {
  try decodeImage(InputFile.read(url), name: url.path)
}

/// Decodes the bytes of a JPEG or PNG file.
///
/// - Parameter name: what errors call the file.
/// - Throws: as `decodeImage(contentsOf:)`.
public func decodeImage(_ bytes: [UInt8], name: String) throws -> RGBImage {
  do {
    switch try ImageFormat(bytes) {
    case .jpeg: return try decodeJPEG(bytes)
    case .png: return try decodePNG(bytes)
    }
  } catch let error as ImageError {
    throw error.inFile(name)
  }
}

/// The size of a JPEG or PNG file, from its header alone.
///
/// - Units: pixels.
/// - Throws: `ImageError` naming the file, as `decodeImage(contentsOf:)`; the pixels may still turn out corrupt.
public func imageSize(contentsOf url: URL) throws -> (width: Int, height: Int) {
  do {
    // Nearly always 64 KiB will do; a JPEG may have megabytes of metadata before its size.
    for amount in [1 << 16, 1 << 22, Int.max] {
      let bytes = try InputFile.read(url, upTo: amount)
      do {
        return try imageSize(bytes)
      } catch let error as HeaderEndsEarly {
        guard bytes.count < amount else { continue }
        throw ImageError(problem: error.description)
      }
    }
    throw ImageError(problem: HeaderEndsEarly().description)
  } catch let error as ImageError {
    throw error.inFile(url.path)
  }
}

func imageSize(_ bytes: [UInt8]) throws -> (width: Int, height: Int) {
  switch try ImageFormat(bytes) {
  case .jpeg:
    let header = try JPEGHeader(bytes)
    return (header.width, header.height)
  case .png:
    let header = try PNGHeader(bytes)
    return (header.width, header.height)
  }
}

/// The bytes end before the size of the picture is known.
struct HeaderEndsEarly: Error, CustomStringConvertible {
  var description: String { "the file ends before the picture's size: it is cut off" }
}

enum ImageFormat {
  case jpeg
  case png

  static let pngSignature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

  init(_ bytes: [UInt8]) throws {
    if bytes.starts(with: [0xff, 0xd8, 0xff]) {
      self = .jpeg
    } else if bytes.starts(with: Self.pngSignature) {
      self = .png
    } else {
      let start = bytes.prefix(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
      throw ImageError(
        problem: bytes.isEmpty
          ? "the file is empty" : "neither a JPEG nor a PNG file, which are the formats known: it begins with \(start)")
    }
  }
}

/// Refuses a size that no picture may have, before anything is allocated for it.
func checkImageSize(width: Int, height: Int) throws {
  guard width > 0, height > 0 else {
    throw ImageError(problem: "a picture of \(width) x \(height) pixels: both sides must be at least 1")
  }
  let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
  guard !overflow, pixels <= RGBImage.maximumPixels else {
    throw ImageError(
      problem: "a picture of \(width) x \(height) pixels: the limit is \(RGBImage.maximumPixels) pixels")
  }
}

import Foundation
import IO

/// A picture and what its file says of it.
public struct Picture: Sendable, Equatable {
  /// Upright.
  public let image: RGBImage
  public let header: PictureHeader
}

/// Decodes a JPEG, PNG, WebP, TIFF, GIF or BMP file to the pixels that Pillow's
/// `ImageOps.exif_transpose(Image.open(file)).convert("RGB")` gives, which is how transformers loads a picture.
///
/// As there, gamma and colour profiles are not applied, and transparency is dropped. Of animations and files of several
/// pages the first picture is taken.
///
/// - Throws: `ImageError` naming the file, if it is of another format, ends too early, is corrupt, or claims no pixels
///   or more than `RGBImage.maximumPixels`; `MissingFile` or `EnvironmentFault` where it can't be read.
public func decodeImage(contentsOf url: URL) throws -> RGBImage { try decodePicture(contentsOf: url).image }

/// Decodes the bytes of a file.
///
/// - Parameter name: what errors call the file.
/// - Throws: `ImageError`, as `decodeImage(contentsOf:)`.
public func decodeImage(_ bytes: [UInt8], name: String) throws -> RGBImage {
  try decodePicture(bytes, name: name).image
}

/// Decodes as `decodeImage(contentsOf:)`, and says how the picture was turned.
///
/// - Throws: as there.
public func decodePicture(contentsOf url: URL) throws -> Picture {
  try decodePicture(try InputFile.read(url), name: url.path)
}

/// Decodes as `decodeImage(_:name:)`, and says how the picture was turned.
///
/// - Throws: as there.
public func decodePicture(_ bytes: [UInt8], name: String) throws -> Picture {
  do {
    let header = try PictureHeader(bytes, isWhole: true)
    let (width, height) = (header.storedWidth, header.storedHeight)
    let pixels: [UInt8] =
      switch header.format {
      case .jpeg: try decodeJPEG(bytes)
      case .png: try decodePNG(bytes)
      case .webp: try decodeWebP(bytes)
      case .tiff: try decodeTIFF(bytes)
      case .gif: try decodeGIF(bytes)
      case .bmp: try decodeBMP(bytes)
      }
    let stored = RGBImage(width: width, height: height, pixels: pixels)
    return Picture(image: stored.turned(by: header.orientation), header: header)
  } catch let error as ImageError {
    throw error.inFile(name)
  } catch is HeaderEndsEarly {
    throw ImageError(file: name, problem: HeaderEndsEarly.problem)
  }
}

/// The message of a C structure.
func text<Message>(_ message: Message) -> String {
  withUnsafeBytes(of: message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}

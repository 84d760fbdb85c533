import Foundation

/// The most pixels an image may have, as Pillow's limit against decompression bombs.
let largestPixelCount = 178_956_970

/// Decodes a JPEG or PNG file to the pixels that Pillow's `Image.open(…).convert("RGB")` gives. Orientation tags are
/// left alone, as there.
///
/// - Throws: `ImageInputError` naming the file where it is missing, broken, cut short, too large, or of another format.
public func decodeImage(contentsOf url: URL) throws -> RGBImage {
  let bytes: [UInt8]
  do {
    bytes = Array(try Data(contentsOf: url))
  } catch {
    throw ImageInputError(file: url.path, reason: "can't be read: \(error.localizedDescription)")
  }
  return try decodeImage(bytes, named: url.path)
}

/// Decodes a JPEG or PNG in memory.
///
/// - Parameter name: what errors call it.
/// - Throws: `ImageInputError`.
public func decodeImage(_ bytes: [UInt8], named name: String) throws -> RGBImage {
  if bytes.starts(with: [0xFF, 0xD8]) { return try decodeJPEG(bytes, named: name) }
  if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) { return try decodePNG(bytes, named: name) }
  throw ImageInputError(file: name, reason: bytes.isEmpty ? "is empty" : "is neither a JPEG nor a PNG")
}

/// - Throws: `ImageInputError` where there would be no pixel or too many.
func checkSize(width: Int, height: Int, named name: String) throws {
  guard width > 0, height > 0, width <= largestPixelCount / height else {
    throw ImageInputError(
      file: name, reason: "claims \(width)x\(height) pixels; between 1 and \(largestPixelCount) can be read")
  }
}

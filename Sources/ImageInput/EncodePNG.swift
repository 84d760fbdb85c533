import CPNG

/// Encodes a picture as a PNG file of 8-bit red, green and blue.
///
/// - Throws: `ImageError` if libpng can't.
public func encodePNG(_ image: RGBImage) throws -> [UInt8] {
  var description = png_image()
  description.version = png_uint_32(PNG_IMAGE_VERSION)
  description.width = png_uint_32(image.width)
  description.height = png_uint_32(image.height)
  description.format = png_uint_32(PNG_FORMAT_FLAG_COLOR)
  defer { png_image_free(&description) }
  // Deflate's worst case, as in libpng's PNG_ZLIB_MAX_SIZE, and room for the chunks round the data.
  let raw = image.height * (image.width * 3 + 1)
  var size = raw + (raw + 7) >> 3 + (raw + 63) >> 6 + 1024
  var succeeded = false
  let bytes = [UInt8](unsafeUninitializedCapacity: size) { bytes, count in
    succeeded =
      png_image_write_to_memory(
        &description, bytes.baseAddress, &size, 0, image.pixels, png_int_32(image.width * 3), nil) != 0
    count = succeeded ? size : 0
  }
  guard succeeded else {
    let message = withUnsafeBytes(of: description.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    throw ImageError(problem: "a picture of \(image.width) x \(image.height) pixels can't be encoded: \(message)")
  }
  return bytes
}

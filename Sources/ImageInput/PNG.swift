import CPNG

/// Decodes any PNG to 8-bit RGB; transparency is dropped, not blended, as Pillow's `convert("RGB")` does.
func decodePNG(_ bytes: [UInt8], named name: String) throws -> RGBImage {
  try withPNG { image in
    func failure() -> ImageInputError { ImageInputError(file: name, reason: "is a broken PNG: \(message(image))") }
    return try bytes.withUnsafeBytes { bytes in
      guard png_image_begin_read_from_memory(&image, bytes.baseAddress, bytes.count) != 0 else { throw failure() }
      let (width, height) = (Int(image.width), Int(image.height))
      try checkSize(width: width, height: height, named: name)
      image.format = png_uint_32(PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA)
      var pixels = [UInt8](repeating: 0, count: width * height * 4)
      guard png_image_finish_read(&image, nil, &pixels, 0, nil) != 0 else { throw failure() }
      return RGBImage(width: width, height: height, pixels: withoutAlpha(pixels))
    }
  }
}

/// A PNG file of the image.
///
/// - Throws: `ImageInputError` where libpng fails.
public func encodePNG(_ image: RGBImage) throws -> [UInt8] {
  try withPNG { png in
    png.width = png_uint_32(image.width)
    png.height = png_uint_32(image.height)
    png.format = png_uint_32(PNG_FORMAT_FLAG_COLOR)
    var count = png_alloc_size_t(0)
    var bytes: [UInt8] = []
    // The first call only measures.
    if png_image_write_to_memory(&png, nil, &count, 0, image.pixels, 0, nil) != 0 {
      bytes = [UInt8](repeating: 0, count: count)
      if png_image_write_to_memory(&png, &bytes, &count, 0, image.pixels, 0, nil) != 0 {
        return Array(bytes.prefix(count))
      }
    }
    throw ImageInputError(file: "PNG", reason: "can't be written: \(message(png))")
  }
}

private func withPNG<R>(_ body: (inout png_image) throws -> R) rethrows -> R {
  var image = png_image()
  image.version = png_uint_32(PNG_IMAGE_VERSION)
  defer { png_image_free(&image) }
  return try body(&image)
}

private func message(_ image: png_image) -> String {
  withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}

private func withoutAlpha(_ pixels: [UInt8]) -> [UInt8] {
  [UInt8](unsafeUninitializedCapacity: pixels.count / 4 * 3) { rgb, count in
    for pixel in 0..<pixels.count / 4 {
      for channel in 0..<3 { rgb[3 * pixel + channel] = pixels[4 * pixel + channel] }
    }
    count = pixels.count / 4 * 3
  }
}

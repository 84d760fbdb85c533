import CImageCodecs

/// What a WebP file says before its pixels.
struct WebPHeader {
  let width: Int
  let height: Int
  let orientation: Orientation

  /// - Parameter isWhole: whether there are no more bytes to come.
  /// - Throws: `HeaderEndsEarly`, or `ImageError`.
  init(_ bytes: [UInt8], isWhole: Bool) throws {
    // Metadata stand behind the pixels, and a flag says that there are any.
    let isExtended = bytes.count >= 30 && bytes[12..<16].elementsEqual("VP8X".utf8)
    guard isExtended && bytes[20] & (Flag.exif | Flag.xmp) != 0 else {
      (width, height) = try Self.size(bytes)
      orientation = .upright
      return
    }
    guard isWhole else { throw HeaderEndsEarly() }
    // The flag may be a lie about a file that is otherwise broken; the size is checked before anything is read.
    let (width, height) = try Self.size(bytes)
    try checkImageSize(width: width, height: height)
    let layout = try webPLayout(bytes)
    (self.width, self.height) = (Int(layout.width), Int(layout.height))
    var sources = OrientationSources()
    if layout.exif_length > 0 {
      sources.exif = Array(bytes[layout.exif_offset..<layout.exif_offset + layout.exif_length])
    }
    if layout.xmp_length > 0 { sources.xmp = bytes[layout.xmp_offset..<layout.xmp_offset + layout.xmp_length] }
    orientation = sources.orientation
  }

  private enum Flag {
    static let exif: UInt8 = 0x08
    static let xmp: UInt8 = 0x04
  }

  private static func size(_ bytes: [UInt8]) throws -> (width: Int, height: Int) {
    var (width, height): (UInt32, UInt32) = (0, 0)
    switch ci_webp_size(bytes, bytes.count, &width, &height) {
    case CI_OK: return (Int(width), Int(height))
    case CI_ENDS_EARLY: throw HeaderEndsEarly()
    default: throw ImageError(problem: "the WebP file's header is corrupt")
    }
  }
}

private func webPLayout(_ bytes: [UInt8]) throws -> ci_webp_layout {
  var layout = ci_webp_layout()
  try checkWebP(ci_webp_open(bytes, bytes.count, &layout))
  return layout
}

/// Decodes the first picture; what of the canvas it doesn't cover is black, as in Pillow.
func decodeWebP(_ bytes: [UInt8]) throws -> [UInt8] {
  var layout = try webPLayout(bytes)
  let (width, height) = (Int(layout.width), Int(layout.height))
  try checkImageSize(width: width, height: height)
  var pixels = [UInt8](repeating: 0, count: 3 * width * height)
  try checkWebP(pixels.withUnsafeMutableBufferPointer { ci_webp_decode(bytes, &layout, $0.baseAddress) })
  return pixels
}

private func checkWebP(_ code: Int32) throws {
  switch code {
  case CI_OK: return
  case CI_ENDS_EARLY: throw ImageError(problem: "the WebP data ends too early: the file is cut off")
  default: throw ImageError(problem: "the WebP data is corrupt")
  }
}

import CImageCodecs

/// A PNG file's first chunk.
struct PNGHeader {
  enum Colour: UInt8 {
    case grey = 0
    case rgb = 2
    case palette = 3
    case greyAlpha = 4
    case rgba = 6

    /// Samples a pixel, and the sizes they come in.
    var samples: Int { [.grey: 1, .rgb: 3, .palette: 1, .greyAlpha: 2, .rgba: 4][self] ?? 1 }
    var bitDepths: [UInt8] {
      switch self {
      case .grey: [1, 2, 4, 8, 16]
      case .palette: [1, 2, 4, 8]
      default: [8, 16]
      }
    }
  }

  let width: Int
  let height: Int
  let bitDepth: UInt8
  let colour: Colour

  /// - Throws: `HeaderEndsEarly`, or `ImageError` for a picture that is not decoded.
  init(_ bytes: [UInt8]) throws {
    guard bytes.count >= 33 else { throw HeaderEndsEarly() }
    func integer(_ at: Int) -> Int { bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
    guard integer(8) == 13, bytes[12..<16].elementsEqual("IHDR".utf8) else {
      throw ImageError(problem: "the PNG file does not begin with an IHDR chunk of 13 bytes")
    }
    width = integer(16)
    height = integer(20)
    bitDepth = bytes[24]
    guard let colour = Colour(rawValue: bytes[25]), colour.bitDepths.contains(bitDepth) else {
      throw ImageError(problem: "a PNG file of colour type \(bytes[25]) with \(bytes[24]) bits does not exist")
    }
    self.colour = colour
    try checkImageSize(width: width, height: height)
  }
}

/// Decodes to what Pillow makes of the file: palette applied, alpha and transparency dropped, no gamma.
func decodePNG(_ bytes: [UInt8]) throws -> [UInt8] {
  let header = try PNGHeader(bytes)
  // Deflate packs a byte into no less than 1/1032, so a short file can't have a large picture: nothing is allocated for it.
  let bits = header.width * header.colour.samples * Int(header.bitDepth)
  guard (bits + 7) / 8 * header.height <= 1032 * bytes.count else {
    throw ImageError(
      problem: "the PNG data is cut off: \(bytes.count) bytes can't hold \(header.width) x \(header.height) pixels")
  }
  var pixels = [UInt8](repeating: 0, count: 3 * header.width * header.height)
  var png = ci_png()
  let code = pixels.withUnsafeMutableBufferPointer { pixels in
    png.rgb = pixels.baseAddress
    png.width = UInt32(header.width)
    png.height = UInt32(header.height)
    return ci_png_decode(bytes, bytes.count, &png)
  }
  guard code == CI_OK else {
    throw ImageError(problem: "the PNG data is corrupt or cut off: \(text(png.message))")
  }
  return pixels
}

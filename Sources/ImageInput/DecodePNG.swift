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
func decodePNG(_ bytes: [UInt8]) throws -> RGBImage {
  let header: PNGHeader
  do {
    header = try PNGHeader(bytes)
  } catch let error as HeaderEndsEarly {
    throw ImageError(problem: error.description)
  }
  let samplesInRow = header.width * header.colour.samples
  let bytesInRow = header.bitDepth == 16 ? 2 * samplesInRow : samplesInRow
  var samples = [UInt8](repeating: 0, count: bytesInRow * header.height)
  var png = ci_png()
  let failed = samples.withUnsafeMutableBufferPointer { samples in
    png.samples = samples.baseAddress
    png.row_bytes = bytesInRow
    png.height = UInt32(header.height)
    return ci_png_decode(bytes, bytes.count, &png) != 0
  }
  guard !failed else {
    let message = withUnsafeBytes(of: png.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    throw ImageError(problem: "the PNG data is corrupt or cut off: \(message)")
  }
  let palette = withUnsafeBytes(of: png.palette) { [UInt8]($0) }
  return RGBImage(width: header.width, height: header.height, pixels: rgb(samples, header, palette))
}

private func rgb(_ samples: [UInt8], _ header: PNGHeader, _ palette: [UInt8]) -> [UInt8] {
  let pixels = header.width * header.height
  if header.colour == .rgb && header.bitDepth == 8 { return samples }
  return [UInt8](unsafeUninitializedCapacity: 3 * pixels) { rgb, count in
    let stride = header.colour.samples * (header.bitDepth == 16 ? 2 : 1)
    switch (header.colour, header.bitDepth) {
    case (.palette, _):
      for at in 0..<pixels {
        for channel in 0..<3 { rgb[3 * at + channel] = palette[3 * Int(samples[at]) + channel] }
      }
    case (.grey, 16):
      // Pillow keeps these as numbers and clips them at 255, where it halves every other 16-bit kind.
      for at in 0..<pixels {
        let value = samples[2 * at] == 0 ? samples[2 * at + 1] : 255
        for channel in 0..<3 { rgb[3 * at + channel] = value }
      }
    case (.grey, _), (.greyAlpha, _):
      let scale: UInt8 = header.bitDepth < 8 ? 255 / (1 << header.bitDepth - 1) : 1
      for at in 0..<pixels {
        for channel in 0..<3 { rgb[3 * at + channel] = samples[stride * at] &* scale }
      }
    case (.rgb, _), (.rgba, _):
      let step = header.bitDepth == 16 ? 2 : 1
      for at in 0..<pixels {
        for channel in 0..<3 { rgb[3 * at + channel] = samples[stride * at + step * channel] }
      }
    }
    count = rgb.count
  }
}

/// Makes red, green and blue of rows of a TIFF file's samples, by Pillow's arithmetic.
struct TIFFRows {
  let samples: TIFFHeader.Samples
  /// Of red, green and blue; for samples of palettes.
  let palette: [UInt8]

  init(_ header: TIFFHeader) throws {
    samples = try header.samples()
    let bits: Int
    switch samples {
    case .palette(let stated): bits = stated
    case .paletteOf: bits = 8
    default:
      palette = []
      return
    }
    guard let map = header.directory.integers(TIFFDirectory.Tag.colormap, limit: 3 * 65536) else {
      throw ImageError(problem: "the TIFF file has no palette (ColorMap), and its pixels are numbers of one")
    }
    // All reds first, then greens and blues, of 16 bits; files with other numbers of colours than they need exist.
    let colors = map.count / 3
    var palette = [UInt8](repeating: 0, count: 3 * max(256, 1 << bits))
    for index in 0..<min(colors, 256) {
      for channel in 0..<3 {
        palette[3 * index + channel] = UInt8(truncatingIfNeeded: map[channel * colors + index] / 256)
      }
    }
    self.palette = palette
  }

  /// Bits that a pixel takes.
  var bitsAPixel: Int {
    switch samples {
    case .grey(let bits, _), .palette(let bits), .number(let bits, _): bits
    case .greyOf(let bytes), .paletteOf(let bytes): 8 * bytes
    case .float: 32
    case .rgb(let samples, let bits, _), .cmyk(let samples, let bits): samples * bits
    case .chroma: 24
    }
  }

  var samplesAPixel: Int {
    switch samples {
    case .grey, .palette, .number, .float: 1
    case .greyOf(let bytes), .paletteOf(let bytes): bytes
    case .rgb(let samples, _, _), .cmyk(let samples, _): samples
    case .chroma: 3
    }
  }

  /// - Parameters:
  ///   - row: the samples, in this machine's byte order; at least `width` pixels of them.
  ///   - pixels: where the row's red, green and blue go.
  func convert(_ row: UnsafeRawBufferPointer, width: Int, to pixels: UnsafeMutableBufferPointer<UInt8>) {
    switch samples {
    case .grey(let bits, let isInverted):
      let (scale, flip) = (UInt8(255 / (1 << bits - 1)), isInverted ? UInt8(255) : 0)
      for x in 0..<width { set(pixels, x, (index(row, x, bits) &* scale) ^ flip) }
    case .greyOf(let bytes): for x in 0..<width { set(pixels, x, row[bytes * x]) }
    case .palette(let bits): for x in 0..<width { set(pixels, x, color: Int(index(row, x, bits))) }
    case .paletteOf(let bytes): for x in 0..<width { set(pixels, x, color: Int(row[bytes * x])) }
    case .number(let bits, let isSigned):
      for x in 0..<width { set(pixels, x, UInt8(clamping: number(row, x, bits: bits, isSigned: isSigned))) }
    case .float:
      for x in 0..<width {
        let value = row.loadUnaligned(fromByteOffset: 4 * x, as: Float.self)
        // Also where it is not a number.
        set(pixels, x, value > 0 ? (value >= 255 ? 255 : UInt8(value)) : 0)
      }
    case .rgb(let samples, let bits, let isPremultiplied):
      convertRGB(row, width, (samples, bits, isPremultiplied), to: pixels)
    case .cmyk(let samples, let bits):
      for x in 0..<width {
        let white = 255 - Self.high(row, samples * x + 3, bits)
        for channel in 0..<3 {
          pixels[3 * x + channel] = light(ink: Self.high(row, samples * x + channel, bits), white: white)
        }
      }
    case .chroma: for at in 0..<3 * width { pixels[at] = row[at] }
    }
  }

  private func convertRGB(
    _ row: UnsafeRawBufferPointer, _ width: Int, _ kind: (samples: Int, bits: Int, isPremultiplied: Bool),
    to pixels: UnsafeMutableBufferPointer<UInt8>
  ) {
    for x in 0..<width {
      let alpha = kind.isPremultiplied ? Int(Self.high(row, kind.samples * x + 3, kind.bits)) : 255
      for channel in 0..<3 {
        let value = Self.high(row, kind.samples * x + channel, kind.bits)
        pixels[3 * x + channel] =
          alpha == 255 ? value : alpha == 0 ? 0 : UInt8(Swift.min(255, Int(value) * 255 / alpha))
      }
    }
  }

  private func set(_ pixels: UnsafeMutableBufferPointer<UInt8>, _ x: Int, _ grey: UInt8) {
    pixels[3 * x] = grey
    pixels[3 * x + 1] = grey
    pixels[3 * x + 2] = grey
  }

  private func set(_ pixels: UnsafeMutableBufferPointer<UInt8>, _ x: Int, color: Int) {
    for channel in 0..<3 { pixels[3 * x + channel] = palette[3 * color + channel] }
  }

  /// A number of at most 8 bits.
  private func index(_ row: UnsafeRawBufferPointer, _ x: Int, _ bits: Int) -> UInt8 {
    bits == 8 ? row[x] : row[x * bits / 8] >> UInt8(8 - bits - x * bits % 8) & UInt8(1 << bits - 1)
  }

  /// The upper 8 bits of a sample.
  static func high(_ row: UnsafeRawBufferPointer, _ sample: Int, _ bits: Int) -> UInt8 {
    bits == 8 ? row[sample] : UInt8(row.loadUnaligned(fromByteOffset: 2 * sample, as: UInt16.self) >> 8)
  }

  private func number(_ row: UnsafeRawBufferPointer, _ x: Int, bits: Int, isSigned: Bool) -> Int {
    switch (bits, isSigned) {
    case (12, _):
      // Packed, the higher bits first.
      let at = x / 2 * 3
      return x % 2 == 0
        ? Int(row[at]) << 4 | Int(row[at + 1]) >> 4 : (Int(row[at + 1]) & 15) << 8 | Int(row[at + 2])
    case (16, false): return Int(row.loadUnaligned(fromByteOffset: 2 * x, as: UInt16.self))
    case (16, true): return Int(row.loadUnaligned(fromByteOffset: 2 * x, as: Int16.self))
    default: return Int(row.loadUnaligned(fromByteOffset: 4 * x, as: Int32.self))
    }
  }
}

/// What a BMP file says before its pixels.
struct BMPHeader {
  enum Coding {
    /// Indices of this many bits, into a palette.
    case indices(bits: Int)
    case runs(bits: Int)
    /// Pixels of this many bytes, with blue, green and red at these.
    case bytes(size: Int, blue: Int, green: Int, red: Int)
    /// 16 bits a pixel, green of 5 or 6 of them.
    case packed(greenBits: Int)
  }

  let width: Int
  let height: Int
  let isTopDown: Bool
  let coding: Coding
  /// Of red, green and blue.
  let palette: [UInt8]
  /// Where the pixels begin.
  let start: Int

  /// - Throws: `HeaderEndsEarly`, or `ImageError` for a picture that is not decoded.
  init(_ bytes: [UInt8]) throws {
    let fields = try Fields(bytes)
    (width, height, isTopDown) = (fields.width, fields.height, fields.isTopDown)
    try checkImageSize(width: width, height: height)
    let bits = fields.bits
    switch fields.compression {
    case 0:
      switch bits {
      case 1, 4, 8: coding = .indices(bits: bits)
      case 16: coding = .packed(greenBits: 5)
      case 24: coding = .bytes(size: 3, blue: 0, green: 1, red: 2)
      case 32: coding = .bytes(size: 4, blue: 0, green: 1, red: 2)
      default: throw ImageError(problem: "a BMP file of \(bits) bits a pixel: 1, 4, 8, 16, 24 and 32 are supported")
      }
    case 1, 2:
      // Pillow decodes runs by the kind that the header names, whatever the number of bits.
      guard [1, 4, 8].contains(bits) else {
        throw ImageError(problem: "a BMP file of runs with \(bits) bits a pixel: 4 and 8 are supported")
      }
      coding = .runs(bits: fields.compression == 1 ? 8 : 4)
    case 3: coding = try fields.masked(bytes)
    default:
      throw ImageError(
        problem: "a BMP file of compression \(fields.compression): none, runs (1, 2) and masks (3) are supported")
    }
    if bits <= 8 {
      let stored = try fields.readPalette(bytes)
      palette = stored.palette
      start = fields.pixelsAt(after: stored.end)
    } else {
      palette = []
      start = fields.pixelsAt(after: 14 + fields.headerSize + (fields.hasMasksBehind ? 12 : 0))
    }
  }
}

private struct Fields {
  let headerSize: Int
  let width: Int
  let height: Int
  let isTopDown: Bool
  let bits: Int
  let compression: Int
  private let colors: Int
  private let entrySize: Int
  private let statedStart: Int

  init(_ bytes: [UInt8]) throws {
    guard bytes.count >= 18 else { throw HeaderEndsEarly() }
    statedStart = bytes.little(10, 4)
    headerSize = bytes.little(14, 4)
    guard [12, 40, 52, 56, 64, 108, 124].contains(headerSize) else {
      throw ImageError(problem: "a BMP file with a header of \(headerSize) bytes does not exist")
    }
    guard bytes.count >= 14 + headerSize else { throw HeaderEndsEarly() }
    let statedColors: Int
    if headerSize == 12 {
      (width, height) = (bytes.little(18, 2), bytes.little(20, 2))
      isTopDown = false
      bits = bytes.little(24, 2)
      (compression, statedColors, entrySize) = (0, 0, 3)
    } else {
      let statedHeight = bytes.little(22, 4)
      // A negative height. Pillow looks at the highest byte only.
      isTopDown = bytes[25] == 0xff
      (width, height) = (bytes.little(18, 4), isTopDown ? 1 << 32 - statedHeight : statedHeight)
      bits = bytes.little(28, 2)
      compression = bytes.little(30, 4)
      (statedColors, entrySize) = (bytes.little(46, 4), 4)
    }
    colors = statedColors == 0 ? 1 << min(bits, 16) : statedColors
  }

  /// Whether the masks stand behind the header instead of in it.
  var hasMasksBehind: Bool { compression == 3 && headerSize == 40 }

  /// Where the pixels begin. Where the file says right behind the header, it forgets the palette.
  func pixelsAt(after end: Int) -> Int {
    var start = statedStart
    if start == 14 + headerSize && bits <= 8 { start += entrySize * colors }
    return start == 0 ? end : start
  }

  /// The palette as red, green and blue of 256 entries, and where it ends.
  ///
  /// One of black to white is none in Pillow: it takes the indices for greys, or for black and white.
  func readPalette(_ bytes: [UInt8]) throws -> (palette: [UInt8], end: Int) {
    guard 1...65536 ~= colors else {
      throw ImageError(problem: "a BMP file with a palette of \(colors) colours: 1 to 65536 are supported")
    }
    let start = 14 + headerSize + (hasMasksBehind ? 12 : 0)
    let stored = bytes[min(start, bytes.count)..<min(start + entrySize * colors, bytes.count)]
    guard stored.count == entrySize * colors else { throw HeaderEndsEarly() }
    var palette = [UInt8](repeating: 0, count: 3 * 256)
    var isGrey = true
    for index in 0..<colors {
      let at = stored.startIndex + entrySize * index
      let grey = colors == 2 ? 255 * index : index
      if stored[at..<at + 3].contains(where: { Int($0) != grey }) { isGrey = false }
      if index < 256 { for channel in 0..<3 { palette[3 * index + channel] = stored[at + 2 - channel] } }
    }
    if isGrey {
      for index in 0..<256 {
        let grey = colors <= 2 ? (index == 0 ? 0 : 255) : UInt8(index)
        for channel in 0..<3 { palette[3 * index + channel] = grey }
      }
    }
    return (palette, stored.endIndex)
  }

  /// The masks that Pillow knows.
  func masked(_ bytes: [UInt8]) throws -> BMPHeader.Coding {
    let start = 54
    let hasAlpha = headerSize >= 56
    guard bytes.count >= start + (hasAlpha ? 16 : 12) else { throw HeaderEndsEarly() }
    let masks = (0..<3).map { bytes.little(start + 4 * $0, 4) }
    let alpha = hasAlpha ? bytes.little(start + 12, 4) : 0
    switch (bits, masks[0], masks[1], masks[2], alpha) {
    case (32, 0xff0000, 0xff00, 0xff, 0), (32, 0xff0000, 0xff00, 0xff, 0xff00_0000), (32, 0, 0, 0, 0):
      return .bytes(size: 4, blue: 0, green: 1, red: 2)
    case (32, 0xff00_0000, 0xff0000, 0xff00, 0), (32, 0xff00_0000, 0xff0000, 0xff00, 0xff):
      return .bytes(size: 4, blue: 1, green: 2, red: 3)
    case (32, 0xff00_0000, 0xff00, 0xff, 0), (32, 0xff00_0000, 0xff00, 0xff, 0xff0000):
      return .bytes(size: 4, blue: 0, green: 1, red: 3)
    case (32, 0xff, 0xff00, 0xff0000, 0xff00_0000): return .bytes(size: 4, blue: 2, green: 1, red: 0)
    case (24, 0xff0000, 0xff00, 0xff, _): return .bytes(size: 3, blue: 0, green: 1, red: 2)
    case (16, 0xf800, 0x7e0, 0x1f, _): return .packed(greenBits: 6)
    case (16, 0x7c00, 0x3e0, 0x1f, _): return .packed(greenBits: 5)
    default:
      let shown = masks.map { String($0, radix: 16) }.joined(separator: ", ")
      throw ImageError(problem: "a BMP file of \(bits) bits a pixel with the masks \(shown) isn't supported")
    }
  }
}

extension [UInt8] {
  /// A little-endian number. The bytes must be there.
  fileprivate func little(_ at: Int, _ count: Int) -> Int {
    self[at..<at + count].reversed().reduce(0) { $0 << 8 | Int($1) }
  }
}

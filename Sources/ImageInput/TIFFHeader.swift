/// What the first directory of a TIFF file says of its picture.
struct TIFFHeader {
  /// How samples become red, green and blue, by Pillow's table of kinds.
  enum Samples: Equatable {
    /// Of 1, 2, 4 or 8 bits; the darkest is 0, or the greatest.
    case grey(bits: Int, isInverted: Bool)
    /// 8 bits of grey, or of a palette, at the start of so many bytes.
    case greyOf(bytes: Int)
    case palette(bits: Int)
    case paletteOf(bytes: Int)
    /// Numbers that Pillow clips at 255.
    case number(bits: Int, isSigned: Bool)
    case float
    case rgb(samples: Int, bits: Int, isPremultiplied: Bool)
    case cmyk(samples: Int, bits: Int)
    /// Luma and chroma, which libtiff converts.
    case chroma(isJPEG: Bool)
  }

  let width: Int
  let height: Int
  let orientation: Orientation
  let directory: TIFFDirectory
  let isSeparate: Bool

  /// - Throws: `ImageError` if it states no size.
  init(_ bytes: [UInt8]) throws {
    guard let directory = TIFFDirectory(bytes, in: 0..<bytes.count) else {
      throw ImageError(problem: "the TIFF file ends before its first directory: it is cut off")
    }
    guard let width = directory.integers(TIFFDirectory.Tag.width)?.first,
      let height = directory.integers(TIFFDirectory.Tag.height)?.first
    else { throw ImageError(problem: "the TIFF file states no width and height") }
    (self.width, self.height) = (width, height)
    self.directory = directory
    isSeparate = directory.integers(TIFFDirectory.Tag.planarConfiguration)?.first == 2
    if let stated = OrientationSources.stated(in: directory) {
      orientation = Orientation(rawValue: stated) ?? .upright
    } else {
      orientation = OrientationSources(xmp: directory.content(TIFFDirectory.Tag.xmp)).orientation
    }
  }

  /// The samples of a pixel.
  ///
  /// - Throws: `ImageError` for a kind that Pillow doesn't know, or that isn't read here.
  func samples() throws -> Samples {
    func first(_ tag: UInt16, or value: Int) -> Int { directory.integers(tag)?.first ?? value }
    let compression = first(TIFFDirectory.Tag.compression, or: 1)
    guard let codec = Self.codecs[compression] else {
      throw ImageError(
        problem: "a TIFF file of compression \(compression): \(Self.codecs.values.sorted().joined(separator: ", ")) "
          + "are supported")
    }
    let photometric = first(TIFFDirectory.Tag.photometric, or: 0)
    var formats = directory.integers(TIFFDirectory.Tag.sampleFormat) ?? [1]
    if Set(formats).count == 1 { formats = [formats[0]] }
    var extra = directory.integers(TIFFDirectory.Tag.extraSamples) ?? []
    var bits = directory.integers(TIFFDirectory.Tag.bitsPerSample) ?? [1]
    var count = first(TIFFDirectory.Tag.samplesPerPixel, or: 1)
    if isSeparate, !extra.isEmpty, extra.allSatisfy({ $0 == 0 }), bits.count >= extra.count {
      // Planes that mean nothing.
      bits.removeLast(extra.count)
      count -= extra.count
      extra = []
    }
    guard 1...6 ~= count else {
      throw ImageError(problem: "a TIFF file of \(count) samples a pixel: 1 to 6 are supported")
    }
    if count < bits.count { bits = Array(bits.prefix(count)) }
    if bits.count == 1 { bits = [Int](repeating: bits[0], count: count) }
    let kind = Kind(photometric: photometric, format: formats.count == 1 ? formats[0] : 0, bits: bits, extra: extra)
    if photometric == 6, codec != "JPEG", !directory.has(TIFFDirectory.Tag.chromaSubsampling) {
      // By default chroma is half as fine as luma; files without the tag are mostly of another opinion.
      throw ImageError(problem: "a TIFF file of YCbCr pixels that doesn't say how they are sampled isn't supported")
    }
    guard bits.count == count, let samples = kind.samples(isBigEndian: directory.isBigEndian, codec: codec),
      !isSeparate || kind.canBeSeparate
    else {
      throw ImageError(problem: "a TIFF file of \(kind.description)\(isSeparate ? ", in planes," : "") isn't supported")
    }
    return samples
  }

  static let codecs = [
    1: "none", 2: "CCITT RLE", 3: "CCITT group 3", 4: "CCITT group 4", 5: "LZW", 7: "JPEG", 8: "deflate",
    32773: "PackBits", 32946: "old deflate", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP",
  ]
}

/// The values that tell kinds apart.
private struct Kind: CustomStringConvertible {
  let photometric: Int
  /// 1: whole numbers, 2: with a sign, 3: floating point.
  let format: Int
  let bits: [Int]
  let extra: [Int]

  var description: String {
    let names = [
      0: "white-is-zero", 1: "black-is-zero", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "Lab",
    ]
    let numbers = [1: "", 2: " signed", 3: " floating-point"][format] ?? " mixed"
    return "\(names[photometric] ?? "photometric \(photometric)") pixels with samples of "
      + "\(bits.map(String.init).joined(separator: ", "))\(numbers) bits"
      + (extra.isEmpty ? "" : " and extra samples \(extra.map(String.init).joined(separator: ", "))")
  }

  /// Whether its samples may stand in planes of their own.
  var canBeSeparate: Bool {
    bits.count == 1 || photometric == 2 && bits.count <= 4 && extra.first != 1
      || photometric == 5 && bits.allSatisfy { $0 == 8 }
  }

  /// Pillow's table (`OPEN_INFO`), without what it can't make RGB of (premultiplied grey) or makes by a colour profile
  /// (Lab).
  func samples(isBigEndian: Bool, codec: String) -> TIFFHeader.Samples? {
    let isBytes = bits.allSatisfy { $0 == 8 }
    switch (photometric, format, bits.count) {
    case (0, 1, 1), (1, 1, 1):
      guard extra.isEmpty else { return nil }
      let isInverted = photometric == 0
      switch bits[0] {
      case 1, 2, 4, 8: return .grey(bits: bits[0], isInverted: isInverted)
      // Pillow forgets to invert these.
      case 12 where !isInverted: return .number(bits: 12, isSigned: false)
      case 16 where !(isInverted && isBigEndian): return .number(bits: 16, isSigned: false)
      case 32 where !isInverted && !isBigEndian: return .number(bits: 32, isSigned: true)
      default: return nil
      }
    case (1, 2, 1):
      guard extra.isEmpty else { return nil }
      // Bytes with a sign are read as if they had none.
      if bits[0] == 8 { return .grey(bits: 8, isInverted: false) }
      return [16, 32].contains(bits[0]) ? .number(bits: bits[0], isSigned: true) : nil
    case (0, 3, 1), (1, 3, 1): return bits[0] == 32 && extra.isEmpty ? .float : nil
    case (1, 1, 2): return isBytes && (extra == [0] || extra == [2]) ? .greyOf(bytes: 2) : nil
    case (2, 1, 3...6): return rgb
    case (3, 1, 1): return [1, 2, 4, 8].contains(bits[0]) && extra.isEmpty ? .palette(bits: bits[0]) : nil
    case (3, 1, 2): return isBytes && (extra == [0] || extra == [2]) ? .paletteOf(bytes: 2) : nil
    case (5, 1, 4...6):
      if isBytes {
        return extra == [Int](repeating: 0, count: bits.count - 4) ? .cmyk(samples: bits.count, bits: 8) : nil
      }
      return bits == [16, 16, 16, 16] && extra.isEmpty ? .cmyk(samples: 4, bits: 16) : nil
    case (6, 1, 3):
      // Without compression Pillow takes chroma to be as fine as luma, whatever the file says.
      return isBytes && extra.isEmpty && codec != "none" ? .chroma(isJPEG: codec == "JPEG") : nil
    default: return nil
    }
  }

  private var rgb: TIFFHeader.Samples? {
    let count = bits.count
    let isPremultiplied = extra.first == 1
    guard bits.allSatisfy({ $0 == 8 }) || count <= 4 && bits.allSatisfy({ $0 == 16 }) else { return nil }
    let known: Bool =
      switch count {
      case 3: extra.isEmpty
      case 4: [[], [0], [1], [2]].contains(extra) || extra == [999] && bits[0] == 8
      default: extra.count == count - 3 && (0...2).contains(extra[0]) && extra.dropFirst().allSatisfy { $0 == 0 }
      }
    return known ? .rgb(samples: count, bits: bits[0], isPremultiplied: isPremultiplied) : nil
  }
}

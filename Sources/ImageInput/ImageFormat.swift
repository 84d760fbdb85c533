/// The formats of pictures that are read.
public enum ImageFormat: String, Sendable, CaseIterable {
  case jpeg = "JPEG"
  case png = "PNG"
  case webp = "WebP"
  case tiff = "TIFF"
  case gif = "GIF"
  case bmp = "BMP"

  /// Knows a file by its first bytes; its name doesn't matter.
  ///
  /// - Throws: `ImageError` that says what the file is instead.
  init(_ bytes: [UInt8]) throws {
    if bytes.starts(with: [0xff, 0xd8, 0xff]) {
      self = .jpeg
    } else if bytes.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) {
      self = .png
    } else if bytes.count >= 12, bytes.starts(with: "RIFF".utf8), bytes[8..<12].elementsEqual("WEBP".utf8) {
      self = .webp
    } else if TIFFDirectory.signature(bytes.prefix(4)) != nil {
      self = .tiff
    } else if bytes.starts(with: "GIF87a".utf8) || bytes.starts(with: "GIF89a".utf8) {
      self = .gif
    } else if bytes.starts(with: "BM".utf8) {
      self = .bmp
    } else {
      throw ImageError(problem: "\(OtherFormat.statement(bytes)). \(Self.list)")
    }
  }

  static let list = "Pictures are read from \(named(allCases, "and")) files"

  private static func named(_ formats: [ImageFormat], _ word: String) -> String {
    formats.dropLast().map(\.rawValue).joined(separator: ", ")
      + formats.suffix(1).map { " \(word) \($0.rawValue)" }.joined()
  }
}

/// What a file that is not a readable picture is, by its first bytes.
enum OtherFormat {
  static func statement(_ bytes: [UInt8]) -> String {
    if bytes.isEmpty { return "the file is empty" }
    if bytes.starts(with: "version https://git-lfs".utf8) {
      return "it is a Git LFS pointer, not the picture: run \"git lfs pull\" in its repository"
    }
    for (signature, name) in signatures where bytes.starts(with: signature) { return "it is \(name)" }
    if bytes.count >= 12, bytes[4..<8].elementsEqual("ftyp".utf8) { return "it is \(boxed(bytes[8..<12]))" }
    if bytes.starts(with: "RIFF".utf8) { return "it is a RIFF file of sound or video" }
    if let markup = markup(bytes) { return "it is \(markup)" }
    if bytes.prefix(64).allSatisfy({ $0 == 0 }) { return "it begins with zero bytes, as an unfinished download does" }
    let start = bytes.prefix(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    return "it is of a format that isn't known: it begins with \(start)"
  }

  private static let signatures: [([UInt8], String)] = [
    ([0x1f, 0x8b], "a gzip file: unpack it first"),
    ([0x50, 0x4b, 0x03, 0x04], "a ZIP archive: unpack it first"),
    (Array("%PDF".utf8), "a PDF document"),
    (Array("8BPS".utf8), "a Photoshop document (PSD)"),
    ([0, 0, 0, 12, 0x6a, 0x50, 0x20, 0x20], "a JPEG 2000 picture"),
    ([0xff, 0x4f, 0xff, 0x51], "a JPEG 2000 picture"),
    ([0, 0, 0, 12, 0x4a, 0x58, 0x4c, 0x20], "a JPEG XL picture"),
    ([0xff, 0x0a], "a JPEG XL picture"),
    ([0, 0, 1, 0], "an icon (ICO)"),
    ([0x76, 0x2f, 0x31, 0x01], "an OpenEXR picture"),
    (Array("P5".utf8), "a PGM picture"),
    (Array("P6".utf8), "a PPM picture"),
    (Array("DDS ".utf8), "a DDS texture"),
  ]

  /// Files of boxes: the brand of the first says of what.
  private static func boxed(_ brand: ArraySlice<UInt8>) -> String {
    switch String(decoding: brand, as: UTF8.self) {
    case "avif", "avis": "an AVIF picture"
    case "heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1": "a HEIC picture"
    default: "a video (MP4, QuickTime)"
    }
  }

  /// Text that is saved under a picture's name: mostly what a server said instead.
  private static func markup(_ bytes: [UInt8]) -> String? {
    var start = bytes.prefix(1024)
    if start.starts(with: [0xef, 0xbb, 0xbf]) { start = start.dropFirst(3) }
    let text = String(decoding: start.drop { [0x20, 0x09, 0x0a, 0x0d].contains($0) }, as: UTF8.self).lowercased()
    if text.hasPrefix("<svg") || text.hasPrefix("<?xml") && text.contains("<svg") { return "an SVG drawing" }
    if text.hasPrefix("<!doctype html") || text.hasPrefix("<html") {
      return "an HTML page, perhaps a server's error message: download the picture again"
    }
    if text.hasPrefix("<?xml") || text.hasPrefix("<") { return "an XML document" }
    if text.hasPrefix("{") || text.hasPrefix("[") { return "JSON text, perhaps a server's error message" }
    return nil
  }
}

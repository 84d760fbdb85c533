import CImageCodecs

/// The chunks of a PNG file, front to back, that say how its picture is to be turned.
struct PNGChunks {
  private let bytes: [UInt8]
  private var sources = OrientationSources()
  /// ImageMagick's EXIF data in hexadecimal, which count if there are no others.
  private var rawProfile: [UInt8]?
  /// The most that compressed text may have, as in Pillow.
  private static let largestText = 1 << 20

  /// - Parameter isWhole: whether there are no more bytes to come.
  /// - Throws: `HeaderEndsEarly` if more bytes are needed, `ImageError` where a chunk is cut off.
  static func orientation(_ bytes: [UInt8], isWhole: Bool) throws -> Orientation {
    var chunks = PNGChunks(bytes: bytes)
    try chunks.walk(isWhole: isWhole)
    if chunks.sources.exif == nil { chunks.sources.exif = chunks.rawProfile }
    return chunks.sources.orientation
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  private mutating func walk(isWhole: Bool) throws {
    var at = 8
    // The last chunk may be cut off: then the file has nothing more to say.
    while at + 8 <= bytes.count {
      let length = bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
      let name = String(decoding: bytes[at + 4..<at + 8], as: UTF8.self)
      if name == "IEND" { return }
      guard at + 8 + length <= bytes.count else {
        guard isWhole else { throw HeaderEndsEarly() }
        // Missing pixels are the decoder's to find.
        if name == "IDAT" { return }
        throw ImageError(problem: "the PNG file ends within a chunk \(name.debugDescription): it is cut off")
      }
      take(name, bytes[at + 8..<at + 8 + length])
      at += 12 + length
    }
    if !isWhole { throw HeaderEndsEarly() }
  }

  private mutating func take(_ name: String, _ content: ArraySlice<UInt8>) {
    switch name {
    case "eXIf": sources.exif = Array(content)
    case "tEXt":
      guard let end = content.firstIndex(of: 0) else { return }
      note(content[..<end], content[(end + 1)...])
    case "zTXt":
      guard let end = content.firstIndex(of: 0), end + 1 < content.endIndex, content[end + 1] == 0 else { return }
      note(content[..<end], Self.inflated(content[(end + 2)...]))
    case "iTXt":
      guard let end = content.firstIndex(of: 0), end + 2 < content.endIndex else { return }
      let (isCompressed, method) = (content[end + 1] != 0, content[end + 2])
      // The language, and the keyword in it.
      guard let first = content[(end + 3)...].firstIndex(of: 0),
        let second = content[(first + 1)...].firstIndex(of: 0)
      else { return }
      let text = content[(second + 1)...]
      if isCompressed && method != 0 { return }
      note(content[..<end], isCompressed ? Self.inflated(text) : text)
    default: break
    }
  }

  private mutating func note(_ key: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) {
    if key.elementsEqual("XML:com.adobe.xmp".utf8) { sources.xmp = text }
    if key.elementsEqual("Raw profile type exif".utf8) { rawProfile = Self.profile(text) }
  }

  /// "\nexif\n    1234\n45786966…": the fourth line on, of two hexadecimal digits a byte.
  private static func profile(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    let lines = text.split(separator: UInt8(ascii: "\n"), maxSplits: 3, omittingEmptySubsequences: false)
    guard lines.count == 4 else { return nil }
    var bytes: [UInt8] = []
    var high: UInt8?
    for character in lines[3] where character != UInt8(ascii: "\n") && character != UInt8(ascii: " ") {
      guard let digit = Character(Unicode.Scalar(character)).hexDigitValue.map(UInt8.init) else { return nil }
      if let left = high {
        bytes.append(left << 4 | digit)
        high = nil
      } else {
        high = digit
      }
    }
    return bytes
  }

  private static func inflated(_ compressed: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let text = [UInt8](unsafeUninitializedCapacity: largestText) { into, count in
      count = compressed.withUnsafeBufferPointer { ci_inflate($0.baseAddress, $0.count, into.baseAddress, largestText) }
    }
    return text[...]
  }
}

/// What a JPEG file's markers say before the coded data, read without decoding.
struct JPEGHeader {
  let width: Int
  let height: Int
  let components: Int
  let orientation: Orientation

  private struct Frame {
    let width: Int
    let height: Int
    let components: Int
  }

  /// - Throws: `HeaderEndsEarly`, or `ImageError` for a picture that is not decoded.
  init(_ bytes: [UInt8]) throws {
    var markers = JPEGMarkers(bytes)
    var frame: Frame?
    var sources = OrientationSources()
    while let marker = markers.next() {
      switch marker.code {
      case 0xc4, 0xc8, 0xcc: continue  // tables, not frames
      case 0xc0...0xcf: frame = try frame ?? Self.frame(bytes[marker.content])
      case 0xe1: Self.take(bytes[marker.content], into: &sources)
      case 0xd9, 0xda:
        guard let frame else { throw ImageError(problem: "the JPEG file has no frame header before its data") }
        (width, height, components) = (frame.width, frame.height, frame.components)
        orientation = sources.orientation
        return
      default: continue
      }
    }
    throw HeaderEndsEarly()
  }

  private static func frame(_ content: ArraySlice<UInt8>) throws -> Frame {
    guard content.count >= 6 else { throw HeaderEndsEarly() }
    let at = content.startIndex
    func integer(_ at: Int) -> Int { Int(content[at]) << 8 | Int(content[at + 1]) }
    let frame = Frame(width: integer(at + 3), height: integer(at + 1), components: Int(content[at + 5]))
    guard content[at] == 8 else {
      throw ImageError(problem: "a JPEG file of \(content[at]) bits a sample: 8 are supported")
    }
    guard [1, 3, 4].contains(frame.components) else {
      throw ImageError(problem: "a JPEG file of \(frame.components) components: 1, 3 and 4 are supported")
    }
    try checkImageSize(width: frame.width, height: frame.height)
    return frame
  }

  /// An APP1 segment: EXIF data, which further segments continue with, or XMP.
  private static func take(_ content: ArraySlice<UInt8>, into sources: inout OrientationSources) {
    if content.starts(with: "Exif\0\0".utf8) {
      sources.exif = (sources.exif ?? []) + content.dropFirst(sources.exif == nil ? 0 : 6)
    } else if content.starts(with: "http://ns.adobe.com/xap/1.0/\0".utf8) {
      sources.xmp = content.dropFirst(29)
    }
  }
}

/// The markers of a JPEG file, front to back, as libjpeg finds them: a segment is skipped by its length, the coded
/// data after it byte by byte.
struct JPEGMarkers: Sequence, IteratorProtocol {
  struct Marker {
    let code: UInt8
    /// The bytes of its segment after the length; empty for a marker without one, cut where the file ends.
    let content: Range<Int>
  }

  private let bytes: [UInt8]
  private var position = 2

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func next() -> Marker? {
    while position + 1 < bytes.count {
      let code = bytes[position + 1]
      guard bytes[position] == 0xff, code != 0xff else {
        position += 1
        continue
      }
      position += 2
      switch code {
      case 0x00, 0x01, 0xd0...0xd8: continue  // a coded 0xff, or markers with no meaning here
      case 0xd9: return Marker(code: code, content: position..<position)
      default:
        guard position + 1 < bytes.count else { return nil }
        let length = Swift.max(2, Int(bytes[position]) << 8 | Int(bytes[position + 1]))
        let start = position + 2
        position += length
        return Marker(code: code, content: start..<Swift.max(start, Swift.min(position, bytes.count)))
      }
    }
    return nil
  }
}

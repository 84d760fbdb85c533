/// What a JPEG file's markers say, read without decoding.
struct JPEGHeader {
  let width: Int
  let height: Int
  let components: Int

  /// - Throws: `HeaderEndsEarly`, or `ImageError` for a picture that is not decoded.
  init(_ bytes: [UInt8]) throws {
    var markers = JPEGMarkers(bytes)
    while let marker = markers.next() {
      switch marker.code {
      case 0xc4, 0xc8, 0xcc: continue  // tables, not frames
      case 0xc0...0xcf:
        let frame = marker.content
        guard frame.count >= 6 else { throw HeaderEndsEarly() }
        let at = frame.startIndex
        height = Int(bytes[at + 1]) << 8 | Int(bytes[at + 2])
        width = Int(bytes[at + 3]) << 8 | Int(bytes[at + 4])
        components = Int(bytes[at + 5])
        guard bytes[at] == 8 else {
          throw ImageError(problem: "a JPEG file of \(bytes[at]) bits a sample: 8 are supported")
        }
        guard [1, 3, 4].contains(components) else {
          throw ImageError(problem: "a JPEG file of \(components) components: 1, 3 and 4 are supported")
        }
        try checkImageSize(width: width, height: height)
        return
      case 0xd9, 0xda: throw ImageError(problem: "the JPEG file has no frame header before its data")
      default: continue
      }
    }
    throw HeaderEndsEarly()
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

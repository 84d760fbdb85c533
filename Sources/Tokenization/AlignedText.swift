import JSON

/// A text on its way through the stages, each byte of which knows the scalars of the original text it came from.
///
/// The rules of alignment are those of the tokenizers library's `NormalizedString`, so that offsets agree.
struct AlignedText: Sendable {
  /// Scalars `start..<end` of the original text.
  struct ScalarSpan: Hashable, Sendable {
    var start: Int32
    var end: Int32
  }

  /// UTF-8.
  private(set) var bytes: [UInt8] = []
  /// One for each byte; those of one scalar are equal.
  private(set) var spans: [ScalarSpan] = []

  init() {}

  /// The original text itself.
  init(_ text: String) {
    bytes = Array(text.utf8)
    spans.reserveCapacity(bytes.count)
    var scalar: Int32 = -1
    for byte in bytes {
      if byte & 0xC0 != 0x80 { scalar += 1 }
      spans.append(ScalarSpan(start: scalar, end: scalar + 1))
    }
  }

  var count: Int { bytes.count }
  var isEmpty: Bool { bytes.isEmpty }

  subscript(range: Range<Int>) -> AlignedText {
    if range == 0..<count { return self }
    var slice = AlignedText()
    slice.bytes = Array(bytes[range])
    slice.spans = Array(spans[range])
    return slice
  }

  mutating func reserveCapacity(_ capacity: Int) {
    bytes.reserveCapacity(capacity)
    spans.reserveCapacity(capacity)
  }

  mutating func append(_ scalar: Unicode.Scalar, from span: ScalarSpan) {
    let before = bytes.count
    bytes.append(utf8: scalar)
    for _ in before..<bytes.count { spans.append(span) }
  }

  mutating func append(_ text: ByteString, from span: ScalarSpan) {
    bytes += text.bytes
    spans += repeatElement(span, count: text.bytes.count)
  }

  mutating func append(_ other: AlignedText, _ range: Range<Int>) {
    bytes.append(contentsOf: other.bytes[range])
    spans.append(contentsOf: other.spans[range])
  }

  /// Scalars of the original that the bytes cover: from the first byte's start to the last byte's end.
  func original(_ range: Range<Int>) -> Range<Int> {
    guard let first = range.first, let last = range.last, range.lowerBound >= 0, last < spans.count else {
      return 0..<0
    }
    let start = Int(spans[first].start)
    return start..<max(start, Int(spans[last].end))
  }
}

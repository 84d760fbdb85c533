import CSimdJSON

/// What stands between a string's quotes, escapes and all.
struct StringContent {
  let start: UnsafePointer<UInt8>
  let count: Int
  let parser: OpaquePointer
  let hasEscape: Bool

  init(start: UnsafePointer<UInt8>, count: Int, parser: OpaquePointer) {
    let raw = UnsafeBufferPointer(start: start, count: count)
    self.init(start: start, count: count, parser: parser, hasEscape: raw.contains(UInt8(ascii: "\\")))
  }

  init(start: UnsafePointer<UInt8>, count: Int, parser: OpaquePointer, hasEscape: Bool) {
    (self.start, self.count, self.parser, self.hasEscape) = (start, count, parser, hasEscape)
  }

  var raw: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: count) }

  /// The bytes that the string stands for; nil where an escape means nothing.
  var bytes: [UInt8]? {
    guard hasEscape else { return Array(raw) }
    var isSound = true
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = 0
      guard let base = buffer.baseAddress else { return }
      let length = json_unescape(parser, start, count, base)
      isSound = length >= 0
      filled = max(length, 0)
    }
    return isSound ? bytes : nil
  }

  /// Calls `body` with the bytes of a key; one whose escapes mean nothing can't be one that anybody asks for.
  func withBytes(_ body: (borrowing Span<UInt8>) throws -> Void) throws {
    guard hasEscape, let bytes else { return try body(raw.span) }
    try body(bytes.span)
  }
}

extension JSONReader {
  func content(of token: Int) -> StringContent {
    StringContent(
      start: text + runStart + Int(tokens[token].offset) + 1, count: Int(tokens[token].length) - 2, parser: parser,
      hasEscape: tokens[token].has_escape)
  }

  /// The text; nil where it is not UTF-8 or an escape means nothing.
  static func string(_ content: StringContent) -> String? {
    guard content.hasEscape else { return String(validating: content.raw, as: UTF8.self) }
    return content.bytes.flatMap { String(validating: $0, as: UTF8.self) }
  }
}

/// Whether a key is this one, byte by byte.
package func ~= (name: StaticString, key: borrowing Span<UInt8>) -> Bool { key.isSame(as: name) }

extension Span where Element == UInt8 {
  package func isSame(as name: StaticString) -> Bool {
    guard count == name.utf8CodeUnitCount else { return false }
    for index in 0..<count where self[index] != name.utf8Start[index] { return false }
    return true
  }

  /// The bytes as text; what isn't UTF-8 becomes U+FFFD.
  package var text: String { withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) } }

  package var byteString: ByteString { ByteString(withUnsafeBufferPointer { Array($0) }) }
}

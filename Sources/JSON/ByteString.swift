/// UTF-8 bytes that compare as bytes.
///
/// Swift's `String.==` and its hash fold canonically equivalent strings ("é" composed and decomposed) into one; in a
/// vocabulary those are two tokens.
package struct ByteString: Hashable, Sendable {
  package let bytes: [UInt8]

  package init(_ bytes: [UInt8]) { self.bytes = bytes }
  package init(_ bytes: ArraySlice<UInt8>) { self.bytes = Array(bytes) }
  package init(_ text: String) { bytes = Array(text.utf8) }

  package static func + (left: ByteString, right: ByteString) -> ByteString { ByteString(left.bytes + right.bytes) }

  /// The text; bytes that aren't UTF-8 become U+FFFD.
  package var text: String { String(decoding: bytes, as: UTF8.self) }

  /// For messages: quoted, and cut where it is long.
  package var quoted: String {
    let text = self.text
    return text.count > 60 ? "\"\(text.prefix(60))…\"" : "\"\(text)\""
  }

  package func hash(into hasher: inout Hasher) {
    // One call for the whole string: element by element is several times slower over a vocabulary.
    bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
  }
}

/// How strings are stored: in UTF-8, all as long as the longest, the rest of each being zeros. Octave loads nothing of a file
/// behind strings of variable length.
struct FixedStrings {
  /// - Units: bytes.
  let width: Int

  /// - Throws: `HDF5Error` for a zero character, which would end its string.
  init(_ texts: [String], leastWidth: Int, _ place: Place) throws {
    if let index = texts.firstIndex(where: { $0.utf8.contains(0) }) {
      throw place.error("string \(index) has a zero character, which HDF5 can't store")
    }
    width = texts.reduce(leastWidth) { max($0, $1.utf8.count) }
  }

  /// Passes the bytes of some of the strings, at least one, to `body`.
  func withBytes<R>(of texts: some Collection<String>, _ body: (UnsafeRawPointer) throws -> R) throws -> R {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(texts.count * width)
    for text in texts {
      bytes += text.utf8
      bytes += repeatElement(0, count: width - text.utf8.count)
    }
    return try bytes.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { preconditionFailure("no strings to write") }
      return try body(start)
    }
  }
}

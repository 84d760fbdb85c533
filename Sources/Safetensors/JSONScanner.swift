/// Reads JSON where it lies, value by value, building no tree.
///
/// Foundation's readers keep the last of two equal keys and lose the place of a mistake, and a tree of a hostile
/// hundred-megabyte header would be gigabytes. This one refuses duplicates, names the byte and allocates only the
/// strings its caller asks for.
package struct JSONScanner {
  private let bytes: UnsafeRawBufferPointer
  private let path: String
  private let origin: Int
  private(set) var position = 0
  private var depth = 0

  /// - Parameters:
  ///   - path: the file's name in errors.
  ///   - origin: where `bytes` starts in that file.
  package init(_ bytes: UnsafeRawBufferPointer, path: String, origin: Int) {
    self.bytes = bytes
    self.path = path
    self.origin = origin
  }

  func error(_ reason: String, tensor: String? = nil) -> SafetensorsError {
    SafetensorsError(path, tensor: tensor, offset: origin + position, reason)
  }

  // MARK: Structure

  /// Reads an object; `member` must read each value.
  package mutating func object(
    _ what: String, _ member: (_ key: String, _ scanner: inout JSONScanner) throws -> Void
  ) throws {
    try enter("{", what)
    var keys: Set<String> = []
    if try !take("}") {
      repeat {
        skipSpace()
        let start = position
        let key = try string("a key of \(what)")
        guard keys.insert(key).inserted else {
          position = start
          throw error("\(what) has the key '\(printable(key))' twice")
        }
        guard try take(":") else { throw error("expected ':' after the key '\(printable(key))'") }
        try member(key, &self)
      } while try take(",")
      guard try take("}") else { throw error("expected ',' or '}' in \(what)") }
    }
    depth -= 1
  }

  /// Reads an array; `element` must read each value.
  mutating func array(_ what: String, _ element: (inout JSONScanner) throws -> Void) throws {
    try enter("[", what)
    if try !take("]") {
      repeat { try element(&self) } while try take(",")
      guard try take("]") else { throw error("expected ',' or ']' in \(what)") }
    }
    depth -= 1
  }

  /// Throws unless only white space is left.
  package mutating func end() throws {
    skipSpace()
    guard position == bytes.count else { throw error("unexpected bytes after the JSON text") }
  }

  // MARK: Values

  /// A whole number from 0 to `Int.max`, written without point or exponent.
  mutating func count(_ what: String) throws -> Int {
    skipSpace()
    var value = 0
    let start = position
    while position < bytes.count, case let digit = bytes[position], (0x30...0x39).contains(digit) {
      let (product, high) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(Int(digit) - 0x30)
      guard !high, !carry else { throw error("\(what) is too large for 63 bits") }
      value = sum
      position += 1
    }
    guard position > start, position == bytes.count || !".eE".utf8.contains(bytes[position]) else {
      throw error("\(what) must be a whole number of at least 0")
    }
    return value
  }

  mutating func string(_ what: String) throws -> String {
    guard try take("\"") else { throw error("\(what) must be a string") }
    let start = position
    while position < bytes.count, !isStringSpecial(bytes[position]) { position += 1 }
    var text = [UInt8](bytes[start..<position])
    while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
      guard bytes[position] >= 0x20 else { throw error("\(what) holds a bare control character") }
      if bytes[position] == UInt8(ascii: "\\") {
        text += Array(String(try escape(what)).utf8)
      } else {
        text.append(bytes[position])
        position += 1
      }
    }
    guard position < bytes.count else { throw error("\(what) is a string without an end") }
    position += 1
    guard let valid = String(validating: text, as: UTF8.self) else { throw error("\(what) is not valid UTF-8") }
    return valid
  }

  /// Passes over any value, checking only its form.
  package mutating func skip(_ what: String) throws {
    skipSpace()
    guard position < bytes.count else { throw error("\(what) is missing") }
    switch bytes[position] {
    case UInt8(ascii: "{"): try object(what) { _, inner in try inner.skip(what) }
    case UInt8(ascii: "["): try array(what) { inner in try inner.skip(what) }
    case UInt8(ascii: "\""): _ = try string(what)
    default:
      let start = position
      while position < bytes.count, isWordByte(bytes[position]) { position += 1 }
      let word = String(decoding: bytes[start..<min(position, start + 64)], as: UTF8.self)
      guard ["true", "false", "null"].contains(word) || Double(word) != nil else {
        position = start
        throw error("\(what) is not a JSON value")
      }
    }
  }

  // MARK: Bytes

  private mutating func enter(_ bracket: Unicode.Scalar, _ what: String) throws {
    guard try take(bracket) else {
      throw error("\(what) must be a JSON \(bracket == "{" ? "object" : "array")")
    }
    depth += 1
    // Values nest by recursion; the formats read here need four levels.
    guard depth <= 32 else { throw error("\(what) is nested more than 32 deep") }
  }

  /// Passes over `scalar` if it comes next.
  private mutating func take(_ scalar: Unicode.Scalar) throws -> Bool {
    skipSpace()
    guard position < bytes.count, bytes[position] == UInt8(ascii: scalar) else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
  }

  private func isStringSpecial(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20
  }

  private func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "E"),
      UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
      true
    default: false
    }
  }

  private mutating func escape(_ what: String) throws -> Unicode.Scalar {
    position += 1  // the backslash
    guard position < bytes.count else { throw error("\(what) ends within an escape") }
    let code = bytes[position]
    position += 1
    switch code {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(code)
    case UInt8(ascii: "b"): return "\u{08}"
    case UInt8(ascii: "f"): return "\u{0C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      var value = try hexadecimal(what)
      if (0xD800..<0xDC00).contains(value), position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
        bytes[position + 1] == UInt8(ascii: "u")
      {
        position += 2
        let low = try hexadecimal(what)
        guard (0xDC00..<0xE000).contains(low) else { throw error("\(what) holds half a surrogate pair") }
        value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(value) else { throw error("\(what) holds half a surrogate pair") }
      return scalar
    default: throw error("\(what) holds an unknown escape")
    }
  }

  private mutating func hexadecimal(_ what: String) throws -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard position < bytes.count, let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
        throw error("\(what) holds a \\u escape without four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}

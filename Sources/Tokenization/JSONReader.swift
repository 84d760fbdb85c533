/// A JSON value whose strings are exact bytes and whose objects keep every member in order.
///
/// Foundation's readers give `[String: Any]`, where canonically equivalent keys fold into one and duplicates vanish;
/// over a vocabulary of 150,000 tokens they are also slow.
enum JSONValue {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(ByteString)
  case array([JSONValue])
  case object([JSONMember])
}

struct JSONMember {
  let key: ByteString
  let value: JSONValue
}

/// Why a text isn't JSON, and where.
struct JSONSyntaxError: Error {
  let problem: String
  let byteOffset: Int
}

/// Reads one JSON text (RFC 8259): no comments, no trailing commas, UTF-8 only, nesting up to `maximumDepth`.
struct JSONReader {
  /// As serde_json's, the reader of the tokenizers library; keeps a hostile file off the stack's end.
  static let maximumDepth = 128

  private let bytes: UnsafeBufferPointer<UInt8>
  private var position = 0

  static func read(_ bytes: UnsafeBufferPointer<UInt8>) throws -> JSONValue {
    var reader = JSONReader(bytes: bytes)
    let value = try reader.value(depth: 0)
    reader.skipSpace()
    guard reader.position == bytes.count else { throw reader.fault("something follows the end of the JSON value") }
    return value
  }

  private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  private func fault(_ problem: String) -> JSONSyntaxError { JSONSyntaxError(problem: problem, byteOffset: position) }

  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      default: return
      }
    }
  }

  /// The next byte that isn't white space, left unread.
  private mutating func peek() throws -> UInt8 {
    skipSpace()
    guard position < bytes.count else { throw fault("the file ends in the middle of a JSON value") }
    return bytes[position]
  }

  private mutating func value(depth: Int) throws -> JSONValue {
    guard depth <= Self.maximumDepth else { throw fault("nested deeper than \(Self.maximumDepth) levels") }
    switch try peek() {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw fault("a JSON value was expected")
    }
  }

  private mutating func word(_ word: StaticString, _ value: JSONValue) throws -> JSONValue {
    for index in 0..<word.utf8CodeUnitCount {
      guard position < bytes.count, bytes[position] == word.utf8Start[index] else {
        throw fault("a JSON value was expected")
      }
      position += 1
    }
    return value
  }

  private mutating func object(depth: Int) throws -> JSONValue {
    position += 1
    var members: [JSONMember] = []
    if try peek() == UInt8(ascii: "}") {
      position += 1
      return .object(members)
    }
    while true {
      guard try peek() == UInt8(ascii: "\"") else { throw fault("a key in double quotes was expected") }
      let key = try string()
      guard try peek() == UInt8(ascii: ":") else { throw fault("a colon was expected after the key \(key.quoted)") }
      position += 1
      members.append(JSONMember(key: key, value: try value(depth: depth + 1)))
      let next = try peek()
      guard next == UInt8(ascii: ",") || next == UInt8(ascii: "}") else {
        throw fault("a comma or a closing brace was expected")
      }
      position += 1
      if next == UInt8(ascii: "}") { return .object(members) }
    }
  }

  private mutating func array(depth: Int) throws -> JSONValue {
    position += 1
    var elements: [JSONValue] = []
    if try peek() == UInt8(ascii: "]") {
      position += 1
      return .array(elements)
    }
    while true {
      elements.append(try value(depth: depth + 1))
      let next = try peek()
      guard next == UInt8(ascii: ",") || next == UInt8(ascii: "]") else {
        throw fault("a comma or a closing bracket was expected")
      }
      position += 1
      if next == UInt8(ascii: "]") { return .array(elements) }
    }
  }

  private mutating func string() throws -> ByteString {
    position += 1
    let start = position
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        defer { position += 1 }
        return ByteString(Array(bytes[start..<position]))
      case UInt8(ascii: "\\"): return try escapedString(from: start)
      case 0..<0x20: throw fault("a control character stands unescaped in a string")
      default: position += 1
      }
    }
    throw fault("the file ends in the middle of a string")
  }

  private mutating func escapedString(from start: Int) throws -> ByteString {
    var content = Array(bytes[start..<position])
    while position < bytes.count {
      let byte = bytes[position]
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return ByteString(content)
      case UInt8(ascii: "\\"):
        position += 1
        try content.append(utf8: escape())
      case 0..<0x20: throw fault("a control character stands unescaped in a string")
      default:
        content.append(byte)
        position += 1
      }
    }
    throw fault("the file ends in the middle of a string")
  }

  /// The characters after a backslash.
  private mutating func escape() throws -> Unicode.Scalar {
    guard position < bytes.count else { throw fault("the file ends in the middle of a string") }
    let letter = bytes[position]
    position += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let first = try hexadecimalUnit()
      if let scalar = Unicode.Scalar(first) { return scalar }
      guard first < 0xDC00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
        bytes[position + 1] == UInt8(ascii: "u")
      else { throw fault("half of a surrogate pair stands alone") }
      position += 2
      let second = try hexadecimalUnit()
      guard 0xDC00..<0xE000 ~= second,
        let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
      else { throw fault("half of a surrogate pair stands alone") }
      return scalar
    default: throw fault("an unknown escape in a string")
    }
  }

  private mutating func hexadecimalUnit() throws -> UInt32 {
    var unit: UInt32 = 0
    for _ in 0..<4 {
      guard position < bytes.count, let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
        throw fault("four hexadecimal digits were expected after \\u")
      }
      unit = unit << 4 | UInt32(digit)
      position += 1
    }
    return unit
  }

  private mutating func number() throws -> JSONValue {
    let start = position
    var isInteger = true
    loop: while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): break
      case UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): isInteger = false
      default: break loop
      }
      position += 1
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let value = Int(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else { throw fault("\(text.prefix(40)) is not a number") }
    return .number(value)
  }
}

/// Values in the forms in which people's files have them.
extension JSONReader {
  /// Reads an id: a whole number, or a string of its digits. Leading zeros are ignored.
  mutating func readID() throws -> Int64 {
    guard try peek() == .string else { return try readInteger() }
    let text = try readString()
    guard let id = Self.integer(text) else {
      throw failure("\(Self.shortened(text)) is not a whole number of 64 bits")
    }
    return id
  }

  /// The number that a text of digits, with a minus before them or without, stands for.
  static func integer(_ text: String) -> Int64? {
    let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
    guard !digits.isEmpty, digits.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) else { return nil }
    return Int64(text)
  }

  /// Reads a number, or a string that holds one as JSON would write it.
  mutating func readNumber() throws -> Double {
    guard try peek() == .string else { return try readDouble() }
    let text = try readString()
    var inner = JSONReader(Array(text.utf8))
    do {
      let value = try inner.readDouble()
      try inner.finish()
      return value
    } catch is COCOError {
      throw failure("\(Self.shortened(text)), where a number is expected")
    }
  }

  /// Reads a whole number, also in a string.
  mutating func readCount() throws -> Int {
    try peek() == .string ? Int(try readID()) : Int(try readInteger())
  }

  /// Reads true or false, 1 or 0, or a string of one of these.
  mutating func readFlag() throws -> Bool {
    switch try peek() {
    case .bool: return try readBool()
    case .string:
      let text = try readString()
      switch text.lowercased() {
      case "1", "true": return true
      case "0", "false": return false
      default: throw failure("\(Self.shortened(text)): 0 or 1 is expected")
      }
    default:
      let value = try readInteger()
      guard value == 0 || value == 1 else { throw failure("\(value): 0 or 1 is expected") }
      return value == 1
    }
  }

  /// A text as errors quote it.
  static func shortened(_ text: String) -> String {
    text.count > 40 ? String(text.prefix(40)).debugDescription + "…" : text.debugDescription
  }
}

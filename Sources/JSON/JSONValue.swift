/// A JSON value as a tree, for files of which everything is needed: strings are exact bytes, and objects keep every
/// member in order.
package enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  /// Written without point and exponent.
  case integer(Int)
  /// A whole number above `Int.max`.
  case unsigned(UInt)
  case number(Double)
  case string(ByteString)
  case array([JSONValue])
  case object([JSONMember])

  /// Reads a whole text.
  ///
  /// - Throws: `JSONError` where it isn't JSON, or has a number that no double holds.
  package static func read(_ bytes: [UInt8], maximumDepth: Int = 128) throws -> JSONValue {
    try JSONReader.read(bytes, rules: .init(maximumDepth: maximumDepth)) { try $0.readValue() }
  }
}

package struct JSONMember: Equatable, Sendable {
  package let key: ByteString
  package let value: JSONValue

  package init(key: ByteString, value: JSONValue) {
    self.key = key
    self.value = value
  }
}

extension JSONReader {
  /// Reads the next value, and all that is in it.
  ///
  /// - Throws: `JSONError` also where a number is none that a double holds.
  package mutating func readValue() throws -> JSONValue {
    switch peek() {
    case .null:
      _ = readNull()
      return .null
    case .bool: return .bool(try readBool())
    case .string: return .string(try readByteString())
    case .number:
      switch try readNumber() {
      case .integer(let number): return .integer(Int(number))
      case .unsigned(let number): return .unsigned(UInt(number))
      case .double(let number): return .number(number)
      case .beyond(let number):
        guard number.isFinite else { throw failure("\(lastText.prefix(40)) is not a number that can be used") }
        return .number(number)
      }
    case .array:
      var elements: [JSONValue] = []
      try readArray { elements.append(try $0.readValue()) }
      return .array(elements)
    case .object:
      var members: [JSONMember] = []
      try readObject { reader, key in
        let name = key.byteString
        members.append(JSONMember(key: name, value: try reader.readValue()))
      }
      return .object(members)
    }
  }
}

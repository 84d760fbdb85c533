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
  /// - Parameter allowsRepeatedKeys: whether a key may be there twice in an object.
  /// - Throws: `JSONError` if it isn't JSON, or has a number that no double holds.
  package static func read(_ bytes: [UInt8], allowsRepeatedKeys: Bool = true) throws -> JSONValue {
    try JSONReader.read(bytes) { try $0.readValue(allowsRepeatedKeys: allowsRepeatedKeys) }
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
  /// - Parameter allowsRepeatedKeys: whether a key may be there twice in an object.
  /// - Throws: `JSONError` also where a number is none that a double holds.
  package mutating func readValue(allowsRepeatedKeys: Bool = true) throws -> JSONValue {
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
      try readArray { elements.append(try $0.readValue(allowsRepeatedKeys: allowsRepeatedKeys)) }
      return .array(elements)
    case .object:
      var members: [JSONMember] = []
      var keys: Set<ByteString> = []
      try readObject { reader, bytes in
        let key = bytes.byteString
        if !allowsRepeatedKeys, !keys.insert(key).inserted { throw reader.failure("the key occurs twice") }
        members.append(JSONMember(key: key, value: try reader.readValue(allowsRepeatedKeys: allowsRepeatedKeys)))
      }
      return .object(members)
    }
  }
}

// What a value is; nil if it is something else.
extension JSONValue {
  package var isNull: Bool { self == .null }

  package var bool: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  package var string: String? {
    guard case .string(let value) = self else { return nil }
    return value.text
  }

  /// A number, as the nearest double.
  package var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .unsigned(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// A whole number, which may be written as `7.0`.
  package var integer: Int? {
    if case .integer(let value) = self { return value }
    return double.flatMap(Int.init(exactly:))
  }

  /// A whole number from 0 to 2⁶⁴ - 1.
  package var natural: UInt64? {
    if case .unsigned(let value) = self { return UInt64(value) }
    return integer.flatMap(UInt64.init(exactly:))
  }

  package var elements: [JSONValue]? {
    guard case .array(let value) = self else { return nil }
    return value
  }

  /// A list of nothing but what `element` gives.
  package func list<Element>(_ element: (JSONValue) -> Element?) -> [Element]? {
    guard let elements else { return nil }
    let found = elements.compactMap(element)
    return found.count == elements.count ? found : nil
  }

  /// A list of nothing but strings.
  package var strings: [String]? { list(\.string) }

  package var members: [JSONMember]? {
    guard case .object(let value) = self else { return nil }
    return value
  }

  /// An object's member of this name, the last of several, as Python reads them.
  package subscript(_ name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.last { $0.key.bytes.elementsEqual(name.utf8) }?.value
  }
}

extension JSONValue: CustomStringConvertible {
  /// The value for messages: as JSON, but a string without its quotes; cut if it is long.
  package var description: String {
    var text = json
    if case .string(let string) = self { text = string.text }
    let shown = text.prefix(Self.mostShown)
    return shown.endIndex == text.endIndex ? text : shown + "…"
  }

  private static let mostShown = 200

  private var json: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .unsigned(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let value): "\"\(value.text)\""
    case .array(let elements): "[\(elements.map(\.json).joined(separator: ", "))]"
    case .object(let members):
      "{\(members.map { "\"\($0.key.text)\": \($0.value.json)" }.joined(separator: ", "))}"
    }
  }
}

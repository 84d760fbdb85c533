import Foundation
import IO
import JSON

/// A value of a JSON file that knows its place, so that errors can name file and key.
struct JSONNode {
  let value: JSONValue
  /// As `model.merges[12]`; empty for the whole file.
  let key: String
  let file: String

  /// Larger than any tokenizer published; a lying or endless file stops here.
  static let maximumFileSize = 1 << 29

  /// - Throws: `TokenizationError` if the file is missing, isn't UTF-8 or isn't JSON; `EnvironmentFault`.
  static func read(_ url: URL) throws -> JSONNode {
    let file = url.path
    do {
      return JSONNode(value: try JSONValue.read(try readBytes(url)), key: "", file: file)
    } catch let error as JSONError {
      throw TokenizationError(file: file, key: error.path.isEmpty ? nil : error.path, problem: error.sentence)
    }
  }

  /// - Throws: `TokenizationError` if the file is missing, too large or something else than text; `EnvironmentFault`.
  static func readBytes(_ url: URL) throws -> [UInt8] {
    do {
      return try ModelFile.text(url, upTo: maximumFileSize)
    } catch let error as UnusableFile {
      throw TokenizationError(file: error.path, problem: error.reason)
    }
  }

  func fault(_ problem: String) -> TokenizationError {
    TokenizationError(file: file, key: key.isEmpty ? nil : key, problem: problem)
  }

  private func expected(_ what: String) -> TokenizationError { fault("\(what) was expected, not \(kind)") }

  private var kind: String {
    switch value {
    case .null: "null"
    case .bool: "true or false"
    case .integer, .unsigned, .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }

  func child(_ value: JSONValue, _ name: String) -> JSONNode {
    JSONNode(value: value, key: key.isEmpty ? name : "\(key).\(name)", file: file)
  }

  /// The member of that name; nil if it is missing or null.
  func optional(_ name: String) throws -> JSONNode? {
    let wanted = ByteString(name)
    let found = try members().filter { $0.key == wanted }
    guard let member = found.first else { return nil }
    guard found.count == 1 else { throw child(member.value, name).fault("the key occurs \(found.count) times") }
    if case .null = member.value { return nil }
    return child(member.value, name)
  }

  /// Whether there is a member of that name, even null.
  func has(_ name: String) throws -> Bool {
    let wanted = ByteString(name)
    return try members().contains { $0.key == wanted }
  }

  /// The member of that name, which must be there and not null.
  func required(_ name: String) throws -> JSONNode {
    guard let node = try optional(name) else { throw child(.null, name).fault("the key is missing (or null)") }
    return node
  }

  func members() throws -> [JSONMember] {
    guard case .object(let members) = value else { throw expected("an object") }
    return members
  }

  func elements() throws -> [JSONNode] {
    guard case .array(let elements) = value else { throw expected("an array") }
    return elements.enumerated().map { JSONNode(value: $1, key: "\(key)[\($0)]", file: file) }
  }

  /// The elements without their places, for the long arrays.
  func values() throws -> [JSONValue] {
    guard case .array(let elements) = value else { throw expected("an array") }
    return elements
  }

  func string() throws -> ByteString {
    guard case .string(let string) = value else { throw expected("a string") }
    return string
  }

  func bool() throws -> Bool {
    guard case .bool(let bool) = value else { throw expected("true or false") }
    return bool
  }

  func bool(_ name: String, default standard: Bool) throws -> Bool { try optional(name)?.bool() ?? standard }

  /// Whether something in a tokenizer.json works with bytes as characters.
  var usesByteLevel: Bool {
    switch value {
    case .string(let text): text == ByteString("ByteLevel")
    case .array(let values): values.contains { JSONNode(value: $0, key: key, file: file).usesByteLevel }
    case .object(let members):
      members.contains {
        $0.key == ByteString("ByteLevel") || JSONNode(value: $0.value, key: key, file: file).usesByteLevel
      }
    default: false
    }
  }

  /// A token id: a whole number that fits Int32 and isn't negative.
  func tokenID() throws -> Int32 {
    guard case .integer(let number) = value, let id = Int32(exactly: number), id >= 0 else {
      throw fault("a token id is a whole number from 0 to \(Int32.max)")
    }
    return id
  }

  /// The `type` of a stage.
  func type() throws -> String { try required("type").string().text }

  func unsupported(_ stage: String, _ type: String, supported: [String]) -> TokenizationError {
    child(.null, "type").fault(
      "the \(stage) \"\(type)\" is not supported; those supported are \(supported.joined(separator: ", "))")
  }
}

import Foundation
import IO
import JSON

/// A value of a configuration file that can't be used: which file, which key, what is wrong, what would be right.
public struct ConfigurationError: Error, CustomStringConvertible, Equatable {
  public let path: String
  public let key: String
  public let reason: String

  public var description: String { "\(path): \(key.isEmpty ? "" : "`\(key)` ")\(reason)" }
}

/// A JSON object of a configuration file, read key by key with errors that name the file and the key.
struct ConfigurationFile {
  let path: String
  private let prefix: String
  /// An object.
  private let values: JSONValue

  /// Larger than any published one; a lying or endless file stops here.
  static let maximumFileSize = 64 << 20

  /// - Throws: `ConfigurationError` if the file is missing, something else, or no JSON object; `EnvironmentFault`.
  init(contentsOf url: URL) throws {
    path = url.path
    prefix = ""
    let bytes: [UInt8]
    do {
      bytes = try ModelFile.text(url, upTo: Self.maximumFileSize)
    } catch let error as UnusableFile {
      let hint = ModelFile.isThere(url) ? nil : FolderHint.describe(url.deletingLastPathComponent())
      throw ConfigurationError(
        path: url.path, key: "", reason: hint.map { "\(error.reason); \($0)" } ?? error.reason)
    }
    do {
      values = try JSONValue.read(bytes)
    } catch let error as JSONError {
      let reason = error.isSyntax ? "is \(error.sentence)" : error.problem
      throw ConfigurationError(path: url.path, key: error.path, reason: reason)
    }
    guard values.members != nil else {
      throw ConfigurationError(path: url.path, key: "", reason: "holds something other than a JSON object")
    }
  }

  private init(path: String, prefix: String, values: JSONValue) {
    self.path = path
    self.prefix = prefix
    self.values = values
  }

  /// What stands for an object that the file leaves out.
  func empty(_ key: String) -> ConfigurationFile {
    ConfigurationFile(path: path, prefix: prefix + key + ".", values: .object([]))
  }

  /// Whether the key is there and not null.
  func has(_ key: String) -> Bool { value(key) != nil }

  /// Whether the key is there, be it null.
  func holds(_ key: String) -> Bool { values[key] != nil }

  /// The object at `key`; nil if it is absent or null.
  func object(_ key: String) throws -> ConfigurationFile? {
    guard let value = value(key) else { return nil }
    guard value.members != nil else { throw wrong(key, "must be an object") }
    return ConfigurationFile(path: path, prefix: prefix + key + ".", values: value)
  }

  /// The integer at `key` or, where it is absent, `default`.
  func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil) throws -> Int {
    guard let value = value(key) else {
      guard let fallback else { throw wrong(key, "is missing; it must be a whole number in \(range)") }
      return fallback
    }
    guard let integer = value.integer, range.contains(integer) else {
      throw wrong(key, "is \(value); it must be a whole number in \(range)")
    }
    return integer
  }

  /// The number at `key` or, where it is absent, `default`.
  func double(_ key: String, in range: ClosedRange<Double>, default fallback: Double? = nil) throws -> Double {
    guard let value = value(key) else {
      guard let fallback else { throw wrong(key, "is missing; it must be a number in \(range)") }
      return fallback
    }
    guard let number = value.double, range.contains(number) else {
      throw wrong(key, "is \(value); it must be a number in \(range)")
    }
    return number
  }

  func string(_ key: String) throws -> String? {
    guard let value = value(key) else { return nil }
    guard let string = value.string else { throw wrong(key, "must be a string") }
    return string
  }

  func boolean(_ key: String, default fallback: Bool) throws -> Bool {
    guard let value = value(key) else { return fallback }
    guard let boolean = value.bool else { throw wrong(key, "must be true or false") }
    return boolean
  }

  func integers(_ key: String, in range: ClosedRange<Int>) throws -> [Int]? {
    guard let value = value(key) else { return nil }
    guard let list = value.elements else { throw wrong(key, "must be a list of whole numbers") }
    return try list.map { item in
      guard let integer = item.integer, range.contains(integer) else {
        throw wrong(key, "holds \(item); it must hold whole numbers in \(range)")
      }
      return integer
    }
  }

  /// The numbers of the list at `key`, or one number that stands there alone; nil if the key is absent.
  func numbers(_ key: String, in range: ClosedRange<Double>) throws -> [Double]? {
    guard let value = value(key) else { return nil }
    return try (value.elements ?? [value]).map { item in
      guard let number = item.double, range.contains(number) else {
        throw wrong(key, "holds \(item); it must be a number, or a list of numbers, in \(range)")
      }
      return number
    }
  }

  func strings(_ key: String) throws -> [String]? {
    guard let value = value(key) else { return nil }
    guard let list = value.strings else { throw wrong(key, "must be a list of strings") }
    return list
  }

  /// Whether there is no key at all.
  var isEmpty: Bool { values.members?.isEmpty ?? true }

  /// The keys that have a value, in the order of their names.
  var keys: [String] { Set((values.members ?? []).map(\.key.text)).filter(has).sorted() }

  /// What stands at `key`; nil if it is absent or null.
  func value(of key: String) -> JSONValue? { value(key) }

  /// An error about one key.
  func wrong(_ key: String, _ reason: String) -> ConfigurationError {
    ConfigurationError(path: path, key: prefix + key, reason: reason)
  }

  private func value(_ key: String) -> JSONValue? {
    guard let value = values[key], !value.isNull else { return nil }
    return value
  }
}

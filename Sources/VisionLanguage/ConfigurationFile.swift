import IO
import Foundation

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
  private let values: [String: Any]

  /// Larger than any published one; a lying or endless file stops here.
  static let maximumFileSize = 64 << 20

  /// - Throws: `ConfigurationError` where the file is missing, something else, or no JSON object; `EnvironmentFault`.
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
    let parsed: Any
    do {
      parsed = try JSONSerialization.jsonObject(with: Data(bytes))
    } catch {
      throw ConfigurationError(path: url.path, key: "", reason: "isn't JSON\(Self.place(error))")
    }
    guard let object = parsed as? [String: Any] else {
      throw ConfigurationError(path: url.path, key: "", reason: "holds something other than a JSON object")
    }
    values = object
  }

  /// What Foundation says of the place of a mistake. Its description for users says nothing of it.
  private static func place(_ error: any Error) -> String {
    guard let text = (error as NSError).userInfo["NSDebugDescription"] as? String else { return "" }
    return ": \(text)"
  }

  private init(path: String, prefix: String, values: [String: Any]) {
    self.path = path
    self.prefix = prefix
    self.values = values
  }

  /// Whether the key is there and not null.
  func has(_ key: String) -> Bool { value(key) != nil }

  /// Whether the key is there, be it null.
  func holds(_ key: String) -> Bool { values[key] != nil }

  /// The object at `key`; nil where it is absent or null.
  func object(_ key: String) throws -> ConfigurationFile? {
    guard let value = value(key) else { return nil }
    guard let object = value as? [String: Any] else { throw wrong(key, "must be an object") }
    return ConfigurationFile(path: path, prefix: prefix + key + ".", values: object)
  }

  /// The integer at `key` or, where it is absent, `default`.
  func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil) throws -> Int {
    guard let value = value(key) else {
      guard let fallback else { throw wrong(key, "is missing; it must be a whole number in \(range)") }
      return fallback
    }
    guard let number = number(value), let integer = Int(exactly: number), range.contains(integer) else {
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
    guard let number = number(value), range.contains(number) else {
      throw wrong(key, "is \(value); it must be a number in \(range)")
    }
    return number
  }

  func string(_ key: String) throws -> String? {
    guard let value = value(key) else { return nil }
    guard let string = value as? String else { throw wrong(key, "must be a string") }
    return string
  }

  func boolean(_ key: String, default fallback: Bool) throws -> Bool {
    guard let value = value(key) else { return fallback }
    guard isBoolean(value), let boolean = (value as? NSNumber)?.boolValue else {
      throw wrong(key, "must be true or false")
    }
    return boolean
  }

  func integers(_ key: String, in range: ClosedRange<Int>) throws -> [Int]? {
    guard let value = value(key) else { return nil }
    guard let list = value as? [Any] else { throw wrong(key, "must be a list of whole numbers") }
    return try list.map { item in
      guard let number = number(item), let integer = Int(exactly: number), range.contains(integer) else {
        throw wrong(key, "holds \(item); it must hold whole numbers in \(range)")
      }
      return integer
    }
  }

  /// The numbers of the list at `key`, or one number that stands there alone; nil where the key is absent.
  func numbers(_ key: String, in range: ClosedRange<Double>) throws -> [Double]? {
    guard let value = value(key) else { return nil }
    return try (value as? [Any] ?? [value]).map { item in
      guard let number = number(item), range.contains(number) else {
        throw wrong(key, "holds \(item); it must be a number, or a list of numbers, in \(range)")
      }
      return number
    }
  }

  func strings(_ key: String) throws -> [String]? {
    guard let value = value(key) else { return nil }
    guard let list = value as? [String] else { throw wrong(key, "must be a list of strings") }
    return list
  }

  /// Whether there is no key at all.
  var isEmpty: Bool { values.isEmpty }

  /// The keys that have a value, in the order of their names.
  var keys: [String] { values.keys.filter(has).sorted() }

  /// What stands at `key`, as `JSONSerialization` has it; nil where it is absent or null.
  func value(of key: String) -> Any? { value(key) }

  /// An error about one key.
  func wrong(_ key: String, _ reason: String) -> ConfigurationError {
    ConfigurationError(path: path, key: prefix + key, reason: reason)
  }

  private func value(_ key: String) -> Any? {
    guard let value = values[key], !(value is NSNull) else { return nil }
    return value
  }

  private func number(_ value: Any) -> Double? {
    guard !isBoolean(value), let number = value as? NSNumber else { return nil }
    return number.doubleValue
  }

  private func isBoolean(_ value: Any) -> Bool {
    // A JSON number is never stored as a C char; true and false always are.
    (value as? NSNumber).map { String(cString: $0.objCType) == "c" } ?? false
  }
}

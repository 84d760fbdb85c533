import Foundation
import Yams

/// Why an experiment's file, or what it asks for, can't be used: where, and what would be right.
public struct ExperimentError: Error, CustomStringConvertible, Equatable {
  public let description: String

  init(_ description: String) { self.description = description }
}

/// A mapping of a YAML file that knows its place, and which of its keys were read: any other key is refused.
final class YAMLMap {
  private let file: String
  private let path: String
  private let line: Int?
  private let nodes: [String: Node]
  private var asked: Set<String> = []

  /// The file's outermost mapping.
  ///
  /// - Throws: `ExperimentError` if the text is not YAML, or not a mapping.
  convenience init(_ text: String, file: String) throws {
    let node: Node?
    do { node = try Yams.compose(yaml: text) } catch {
      throw ExperimentError("\(file): is not YAML: \(error)")
    }
    guard let node else { throw ExperimentError("\(file): is empty") }
    try self.init(node, file: file, path: "")
  }

  private init(_ node: Node, file: String, path: String) throws {
    (self.file, self.path, line) = (file, path, node.mark?.line)
    guard let mapping = node.mapping else {
      throw Self.wrong(file, path, node, "must hold keys and values")
    }
    var nodes: [String: Node] = [:]
    for (key, value) in mapping {
      guard let name = key.scalar?.string else { throw Self.wrong(file, path, key, "has a key that is not a word") }
      guard nodes.updateValue(value, forKey: name) == nil else {
        throw Self.wrong(file, path, key, "has the key \"\(name)\" twice")
      }
    }
    self.nodes = nodes
  }

  private static func wrong(_ file: String, _ path: String, _ node: Node?, _ problem: String) -> ExperimentError {
    let place = node?.mark.map { ":\($0.line)" } ?? ""
    return ExperimentError("\(file)\(place): \(path.isEmpty ? "the file" : path) \(problem)")
  }

  /// An error about the value of a key.
  func wrong(_ key: String, _ problem: String) -> ExperimentError {
    Self.wrong(file, path(of: key), nodes[key], problem)
  }

  private func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  /// - Throws: if there are unknown keys.
  func finish() throws {
    let unknown = nodes.keys.filter { !asked.contains($0) }.sorted()
    guard let first = unknown.first else { return }
    throw wrong(first, "is not a known key; the keys are \(asked.sorted().joined(separator: ", "))")
  }

  private func node(_ key: String) -> Node? {
    asked.insert(key)
    guard let node = nodes[key], node.scalar?.string.isEmpty != true || node.null == nil else { return nil }
    return node.null == nil ? node : nil
  }

  // MARK: - Values

  func map(_ key: String) throws -> YAMLMap? { try node(key).map { try YAMLMap($0, file: file, path: path(of: key)) } }

  func string(_ key: String) throws -> String? {
    try node(key).map { node in
      guard let scalar = node.scalar else { throw wrong(key, "must be a word or a text") }
      return scalar.string
    }
  }

  /// A path, which can't be empty: that would be the working folder.
  func path(_ key: String) throws -> String? {
    try string(key).map { path in
      guard !path.isEmpty else { throw wrong(key, "is empty; it must be a path") }
      return path
    }
  }

  func integer(_ key: String, atLeast least: Int = 1) throws -> Int? {
    try node(key).map { node in
      guard let value = node.int, value >= least else {
        throw wrong(key, "must be a whole number of at least \(least)")
      }
      return value
    }
  }

  func number(_ key: String) throws -> Double? {
    try node(key).map { node in
      guard let value = node.float, value.isFinite else { throw wrong(key, "must be a number") }
      return value
    }
  }

  func flag(_ key: String) throws -> Bool? {
    try node(key).map { node in
      guard let value = node.bool else { throw wrong(key, "must be true or false") }
      return value
    }
  }

  /// One of an enumeration's values.
  func choice<Value: RawRepresentable & CaseIterable>(_ key: String, _: Value.Type) throws -> Value?
  where Value.RawValue == String {
    try string(key).map { text in
      guard let value = Value(rawValue: text) else {
        throw wrong(key, "is \"\(text)\", and must be one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      return value
    }
  }

  /// All keys, sorted.
  var keys: [String] { nodes.keys.sorted() }

  /// The file and the line of a key's value.
  func place(of key: String) -> String { file + (nodes[key]?.mark.map { ":\($0.line)" } ?? "") }

  /// A text or a number as it is written, or a list of such.
  func words(_ key: String) throws -> [String] {
    guard let node = node(key) else { throw wrong(key, "has no value") }
    if let scalar = node.scalar { return [scalar.string] }
    guard let words = try strings(key) else { throw wrong(key, "must be a text, a number or a list") }
    return words
  }

  /// nil if the value is neither true nor false.
  func truth(_ key: String) -> Bool? { node(key)?.bool }

  /// A list of words.
  func strings(_ key: String) throws -> [String]? {
    try list(key) { $0.scalar?.string }
  }

  func integers(_ key: String) throws -> [Int]? { try list(key) { $0.int } }

  /// A word or a text, or a list of them.
  func oneOrMoreStrings(_ key: String) throws -> [String]? {
    isList(key) ? try strings(key) : try string(key).map { [$0] }
  }

  /// A whole number, or a list of them.
  func oneOrMoreIntegers(_ key: String, atLeast least: Int) throws -> [Int]? {
    guard isList(key) else { return try integer(key, atLeast: least).map { [$0] } }
    return try integers(key).map { values in
      if let value = values.first(where: { $0 < least }) {
        throw wrong(key, "holds \(value); each must be a whole number of at least \(least)")
      }
      return values
    }
  }

  private func isList(_ key: String) -> Bool { node(key)?.sequence != nil }

  private func list<Value>(_ key: String, _ read: (Node) -> Value?) throws -> [Value]? {
    try node(key).map { node in
      guard let sequence = node.sequence else { throw wrong(key, "must be a list") }
      return try sequence.map { item in
        guard let value = read(item) else { throw wrong(key, "holds a value of the wrong kind") }
        return value
      }
    }
  }
}

import Foundation
import IO

/// A command's options in a YAML file: a mapping of their names, without the dashes before them, to their values.
///
///     model: models/Qwen2-VL-2B-Instruct
///     layers: [14, 15]
///     dora: true
public struct OptionsFile: Sendable {
  public struct Entry: Sendable, Equatable {
    /// With hyphens, where the file may have underscores too.
    public let name: String
    /// Of a list, its elements with commas between.
    public let text: String
    /// nil if the value is neither true nor false.
    public let flag: Bool?
    /// The file and the line.
    public let place: String
  }

  /// By name.
  public let entries: [Entry]

  /// - Throws: `ExperimentError` naming the file, and in it line and key.
  public init(contentsOf url: URL) throws {
    let bytes: [UInt8]
    do { bytes = try InputFile.read(url) } catch { throw ExperimentError("\(error)") }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ExperimentError("\(url.path): is not UTF-8 text; save it as UTF-8")
    }
    try self.init(yaml: text, file: url.path)
  }

  init(yaml text: String, file: String) throws {
    let map = try YAMLMap(text, file: file)
    var found: [String: Entry] = [:]
    for key in map.keys {
      let name = key.replacing("_", with: "-")
      let entry = Entry(
        name: name, text: try map.words(key).joined(separator: ","), flag: map.truth(key), place: map.place(of: key))
      guard found.updateValue(entry, forKey: name) == nil else {
        throw map.wrong(key, "is there twice, with hyphens and with underscores")
      }
    }
    entries = found.values.sorted { $0.name < $1.name }
  }

  /// The words of a command line that says the same.
  ///
  /// - Parameters:
  ///   - options: of the command; those without a value are flags.
  ///   - given: options that need not be taken, as the command line has them or another that excludes them.
  /// - Throws: `ExperimentError` naming the file, the line and the key that is no option, or whose value is none.
  public func words(of options: [String: Bool], without given: Set<String>) throws -> [String] {
    try entries.flatMap { entry -> [String] in
      func wrong(_ problem: String) -> ExperimentError { ExperimentError("\(entry.place): \(entry.name) \(problem)") }
      guard let takesValue = options[entry.name] else {
        throw wrong(
          "is not an option of this command; the options are \(options.keys.sorted().joined(separator: ", "))")
      }
      if given.contains(entry.name) { return [] }
      // With an equals sign: a value may begin with a dash.
      guard !takesValue else { return ["--\(entry.name)=\(entry.text)"] }
      guard let flag = entry.flag else { throw wrong("must be true or false") }
      return flag ? ["--\(entry.name)"] : []
    }
  }
}

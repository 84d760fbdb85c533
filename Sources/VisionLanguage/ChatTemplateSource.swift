import Foundation
import IO
import JSON

/// What the processor of a family without chat templates makes of a prompt and its answer, as a chat template.
public struct ProcessorTemplate: Sendable {
  /// The processor's class in transformers.
  let name: String
  /// A Jinja template. The answer in it is tokenised by itself, and nothing is put in front.
  let text: String
}

/// The text of a model's chat template and where it comes from.
struct ChatTemplateSource: Sendable, Equatable {
  let text: String
  /// The file, and in it the key, for errors.
  let name: String
  /// Of `text` in UTF-8.
  let sha256: String
  /// What the folder holds besides, which is not used.
  let remarks: [String]

  private init(text: String, name: String, remarks: [String] = []) throws {
    self.text = text
    self.name = name
    self.remarks = remarks
    sha256 = try Array(text.utf8).withUnsafeBytes { try SHA256.hex(of: $0) }
  }

  /// What a family's processor writes without asking a template. A folder's own is not used.
  static func written(
    by processor: ProcessorTemplate, in folder: URL, override file: URL? = nil
  ) throws -> ChatTemplateSource {
    if file != nil { return try find(in: folder, override: file) }
    return try ChatTemplateSource(
      text: processor.text, name: processor.name,
      remarks: candidates(in: folder).map {
        "\($0.name) holds a chat template, which is not used: \(processor.name) asks none; --chat-template takes it"
      })
  }

  /// Finds a folder's template as the processor of transformers 5 does: in processor_config.json, chat_template.json,
  /// chat_template.jinja, and at last, as its tokenizer does, in tokenizer_config.json.
  ///
  /// - Parameter file: takes the place of all of them: a Jinja file, or JSON with the key `chat_template`.
  /// - Throws: `ConfigurationError` if there is none, or several without a default.
  static func find(in folder: URL, override file: URL? = nil) throws -> ChatTemplateSource {
    if let file {
      guard file.pathExtension == "json" else { return try ChatTemplateSource(text: text(of: file), name: file.path) }
      guard let found = try inJSON(file) else {
        throw ConfigurationError(
          path: file.path, key: key, reason: "is missing; --chat-template takes the template from it")
      }
      return found
    }
    let candidates = try candidates(in: folder)
    guard let chosen = candidates.first else {
      throw ConfigurationError(
        path: folder.path, key: "",
        reason: "has no chat template (chat_template.jinja, chat_template.json, or chat_template in "
          + "tokenizer_config.json), so what the model is shown is not known: give one with --chat-template")
    }
    let others = candidates.dropFirst().filter { !$0.text.unicodeScalars.elementsEqual(chosen.text.unicodeScalars) }
    return try ChatTemplateSource(
      text: chosen.text, name: chosen.name,
      remarks: others.map {
        "\($0.name) holds another chat template than \(chosen.name), which is used; --chat-template chooses another"
      })
  }

  private static let key = "chat_template"

  /// All templates of a folder, the one that is used first.
  static func candidates(in folder: URL) throws -> [ChatTemplateSource] {
    var found: [ChatTemplateSource] = []
    func add(_ name: String) throws {
      let file = folder.appendingPathComponent(name)
      guard isThere(file), let source = try inJSON(file) else { return }
      found.append(source)
    }
    try add("processor_config.json")
    let additional = try additionalTemplates(in: folder)
    let legacy = folder.appendingPathComponent("chat_template.json")
    if isThere(legacy) {
      guard additional.isEmpty else {
        throw ConfigurationError(
          path: legacy.path, key: "",
          reason: "and the folder additional_chat_templates exclude each other: transformers refuses both together. "
            + "Give the template to use with --chat-template")
      }
      guard let source = try inJSON(legacy) else {
        throw ConfigurationError(path: legacy.path, key: key, reason: "is missing; it must be a Jinja template")
      }
      found.append(source)
    }
    let jinja = folder.appendingPathComponent("chat_template.jinja")
    if isThere(jinja) {
      found.append(try ChatTemplateSource(text: text(of: jinja), name: jinja.path))
    } else if !additional.isEmpty, found.isEmpty {
      throw several(additional, path: folder.appendingPathComponent(additionalFolder).path)
    }
    try add("tokenizer_config.json")
    return found
  }

  private static let additionalFolder = "additional_chat_templates"

  /// Names of the templates in the folder for more than the default one.
  private static func additionalTemplates(in folder: URL) throws -> [String] {
    let url = folder.appendingPathComponent(additionalFolder)
    guard isThere(url) else { return [] }
    do {
      return try FileSystem.names(in: url).filter { $0.hasSuffix(".jinja") }
        .map { String($0.dropLast(".jinja".count)) }.sorted()
    } catch {
      throw ConfigurationError(path: url.path, key: "", reason: "can't be listed: is it a folder that may be read?")
    }
  }

  private static func several(_ names: [String], path: String) -> ConfigurationError {
    ConfigurationError(
      path: path, key: "",
      reason: "holds the chat templates \(names.joined(separator: ", ")), and none is called default: "
        + "give the one to use with --chat-template")
  }

  /// The template of a JSON file: a text, a list of named ones, or an object of them; nil if there is none.
  private static func inJSON(_ url: URL) throws -> ChatTemplateSource? {
    let file = try ConfigurationFile(contentsOf: url)
    let name = "\(url.path) (\(key))"
    let wrong = "must be a template, or a list of objects with name and template"
    switch file.value(of: key) {
    case nil: return nil
    case .string(let text): return try ChatTemplateSource(text: text.text, name: name)
    case .array(let list):
      let named = try list.map { entry in
        guard let name = entry["name"]?.string, let template = entry["template"]?.string else {
          throw file.wrong(key, wrong)
        }
        return (name, template)
      }
      return try theDefault(of: named, name: name, path: url.path)
    case .object(let object):
      let named = try object.sorted { $0.key.text < $1.key.text }.map { member in
        guard let template = member.value.string else { throw file.wrong(key, wrong) }
        return (member.key.text, template)
      }
      return try theDefault(of: named, name: name, path: url.path)
    default: throw file.wrong(key, wrong)
    }
  }

  /// Of two of one name the later one counts, as in transformers.
  private static func theDefault(
    of templates: [(name: String, text: String)], name: String, path: String
  ) throws -> ChatTemplateSource {
    guard let chosen = templates.last(where: { $0.name == "default" }) else {
      throw several(templates.map(\.name), path: path)
    }
    return try ChatTemplateSource(text: chosen.text, name: name)
  }

  /// Bytes of a template's file; published ones have up to 20,000.
  private static let largest = 4 << 20

  /// Bytes as Python reads a text file: UTF-8, every end of line a line feed.
  private static func text(of url: URL) throws -> String {
    guard isThere(url) else {
      throw ConfigurationError(path: url.path, key: "", reason: "does not exist; it should be a chat template")
    }
    let bytes = try InputFile.read(url, upTo: largest + 1)
    guard bytes.count <= largest else {
      throw ConfigurationError(
        path: url.path, key: "", reason: "is larger than \(largest) bytes, too large for a chat template")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ConfigurationError(path: url.path, key: "", reason: "is not UTF-8 text; a chat template is a Jinja file")
    }
    var scalars = String.UnicodeScalarView()
    var afterReturn = false
    for scalar in text.unicodeScalars {
      if scalar == "\r" {
        scalars.append("\n")
      } else if !(scalar == "\n" && afterReturn) {
        scalars.append(scalar)
      }
      afterReturn = scalar == "\r"
    }
    return String(scalars)
  }

  /// Whether something has this name; a link that leads nowhere has, and reading it says so.
  private static func isThere(_ url: URL) -> Bool {
    var status = stat()
    return lstat(url.path, &status) == 0
  }
}

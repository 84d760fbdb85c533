import Foundation

/// The special tokens that a chat template may name (`bos_token`, `eos_token`, …), as the tokenizer of transformers 5 has
/// them: its `special_tokens_map`.
enum SpecialTokenNames {
  private static let standard = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]

  /// Names and texts of a model folder's special tokens.
  ///
  /// - Parameter classDefaults: by tokenizer class ("" for the family's own), what it takes where tokenizer_config.json
  ///   says nothing.
  /// - Throws: `ConfigurationError` naming the file and key.
  static func read(from folder: URL, classDefaults: [String: [String: String]]) throws -> [(name: String, text: String)]
  {
    var tokens: [String: String] = [:]
    func take(_ file: ConfigurationFile, _ name: String) throws {
      // null takes a default away.
      guard file.holds(name) else { return }
      tokens[name] = try text(file.value(of: name), of: name, in: file)
    }
    let config = try read("tokenizer_config.json", of: folder)
    tokens = classDefaults[try config?.string("tokenizer_class") ?? ""] ?? [:]
    if let config {
      for name in standard { try take(config, name) }
      for name in config.keys
      where name.hasSuffix("_token") && !standard.contains(name) && config.value(of: name) is String {
        try take(config, name)
      }
      if let extra = config.value(of: "extra_special_tokens") as? [String: Any] {
        for (name, value) in extra { tokens[name] = try text(value, of: name, in: config) }
      }
    }
    // transformers reads the older file only where the newer one doesn't list the added tokens.
    if config?.has("added_tokens_decoder") != true, let older = try read("special_tokens_map.json", of: folder) {
      for name in standard { try take(older, name) }
    }
    return tokens.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  private static func read(_ name: String, of folder: URL) throws -> ConfigurationFile? {
    let url = folder.appendingPathComponent(name)
    return FileManager.default.fileExists(atPath: url.path) ? try ConfigurationFile(contentsOf: url) : nil
  }

  private static func text(_ value: Any?, of name: String, in file: ConfigurationFile) throws -> String? {
    switch value {
    case nil: return nil
    case let text as String: return text
    case let token as [String: Any]:
      if let text = token["content"] as? String { return text }
    default: break
    }
    throw file.wrong(name, "must be a token: a text, or an object with the text as content")
  }
}

import Foundation
import JSON

/// The special tokens that a chat template may name (`bos_token`, `eos_token`, …), as the tokenizer of transformers 5 has
/// them: its `special_tokens_map`.
enum SpecialTokenNames {
  private static let standard = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]

  /// What tokenizer classes of transformers take where tokenizer_config.json names no special tokens.
  static let qwen2Defaults = defaults(
    of: ["", "Qwen2Tokenizer", "Qwen2TokenizerFast"],
    ["unk_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"])
  static let gemmaDefaults = defaults(
    of: ["", "GemmaTokenizer", "GemmaTokenizerFast"],
    [
      "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>",
    ])

  private static func defaults(of classes: [String], _ tokens: [String: String]) -> [String: [String: String]] {
    Dictionary(uniqueKeysWithValues: classes.map { ($0, tokens) })
  }

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
      where name.hasSuffix("_token") && !standard.contains(name) && config.value(of: name)?.string != nil {
        try take(config, name)
      }
      for member in config.value(of: "extra_special_tokens")?.members ?? [] {
        let name = member.key.text
        tokens[name] = try text(member.value, of: name, in: config)
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

  private static func text(_ value: JSONValue?, of name: String, in file: ConfigurationFile) throws -> String? {
    guard let value else { return nil }
    if let text = value.string ?? value["content"]?.string { return text }
    throw file.wrong(name, "must be a token: a text, or an object with the text as content")
  }
}

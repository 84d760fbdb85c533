import Foundation
import JSON
import Tokenization

/// How a model's makers want its answers to be generated: generation_config.json, as transformers 5 reads it.
public struct GenerationDefaults: Sendable, Equatable {
  /// The tokens that end an answer.
  public let stopTokens: Set<Int32>
  /// What scores of tokens that have been seen are divided by (where they are negative: multiplied); 1 does nothing.
  public let repetitionPenalty: Double
  /// Remarks on what the files ask for and the program doesn't do.
  public let remarks: [String]

  /// - Throws: `ConfigurationError` naming the file and the key.
  init(folder: URL, config: ConfigurationFile, tokenizer: Tokenizer, specialTokens: [(name: String, text: String)])
    throws
  {
    let url = folder.appendingPathComponent("generation_config.json")
    let file = FileManager.default.fileExists(atPath: url.path) ? try ConfigurationFile(contentsOf: url) : nil
    var remarks: [String] = []
    if let tokens = try file.flatMap(Self.stopTokens) {
      stopTokens = tokens
    } else if let tokens = try Self.stopTokens(config) ?? config.object("text_config").flatMap(Self.stopTokens) {
      stopTokens = tokens
      if file != nil { remarks.append("\(url.path) names no eos_token_id: config.json's ends an answer") }
    } else if let token = specialTokens.first(where: { $0.name == "eos_token" }),
      let id = tokenizer.id(of: token.text)
    {
      stopTokens = [Int32(id)]
      remarks.append(
        "neither generation_config.json nor config.json names an eos_token_id: the tokenizer's eos_token, \(token.text), "
          + "ends an answer")
    } else {
      stopTokens = []
      remarks.append(
        "no eos_token_id is named in generation_config.json or config.json: answers end at --max-new-tokens alone")
    }
    repetitionPenalty =
      try file?.double("repetition_penalty", in: 1e-6...1e6, default: 1) ?? 1
    if let file { remarks += Self.notApplied(file) }
    self.remarks = remarks
  }

  private static func stopTokens(_ file: ConfigurationFile) throws -> Set<Int32>? {
    let key = "eos_token_id"
    let range = 0...Int(Int32.max)
    guard file.has(key) else { return nil }
    guard file.value(of: key)?.elements != nil else { return [Int32(try file.integer(key, in: range))] }
    let list = try file.integers(key, in: range) ?? []
    return list.isEmpty ? nil : Set(list.map(Int32.init))
  }

  // MARK: - What is not applied

  /// Keys that decide how tokens are drawn: greedy search and beams have no use for them.
  private static let sampling: Set<String> = [
    "do_sample", "temperature", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff",
  ]

  /// Values at which a key does nothing, as numbers.
  private static let neutral: [String: Double] = [
    "num_beams": 1, "num_beam_groups": 1, "length_penalty": 1, "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0, "encoder_repetition_penalty": 1, "min_length": 0, "min_new_tokens": 0,
    "diversity_penalty": 0, "guidance_scale": 1, "top_k": 50, "temperature": 1, "top_p": 1, "typical_p": 1,
    "epsilon_cutoff": 0, "eta_cutoff": 0, "min_p": 0, "num_return_sequences": 1,
  ]

  /// Keys that change the scores or the search whatever way tokens are chosen.
  private static let steering: Set<String> = [
    "num_beams", "num_beam_groups", "length_penalty", "early_stopping", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size", "encoder_repetition_penalty", "min_length", "min_new_tokens", "diversity_penalty",
    "guidance_scale", "bad_words_ids", "sequence_bias", "force_words_ids", "constraints", "suppress_tokens",
    "begin_suppress_tokens", "forced_bos_token_id", "forced_eos_token_id", "exponential_decay_length_penalty",
    "stop_strings", "penalty_alpha", "dola_layers", "watermarking_config", "renormalize_logits",
  ]

  private static func notApplied(_ file: ConfigurationFile) -> [String] {
    func asked(_ keys: Set<String>) -> String? {
      let found = file.keys.filter(keys.contains).compactMap { key in
        file.value(of: key).flatMap { value in
          text(value, isNeutralAt: neutral[key]).map { "\(key) \($0)" }
        }
      }
      return found.isEmpty ? nil : found.joined(separator: ", ")
    }
    var remarks: [String] = []
    if let found = asked(sampling) {
      remarks.append(
        "\(file.path) asks for \(found); not applied: --temperature and --top-p say how tokens are drawn, and without them "
          + "the likeliest is taken")
    }
    if let found = asked(steering) {
      remarks.append("\(file.path) asks for \(found); not applied, so transformers may give other texts")
    }
    return remarks
  }

  /// The value in words; nil if it asks for nothing.
  private static func text(_ value: JSONValue, isNeutralAt neutral: Double?) -> String? {
    switch value {
    case .array(let list): list.isEmpty ? nil : "(\(list.count) entries)"
    case .object(let object): object.isEmpty ? nil : "(\(object.count) entries)"
    case .bool(let isTrue): isTrue ? "true" : nil
    default: value.double.map { $0 == neutral } == true ? nil : "\(value)"
    }
  }
}

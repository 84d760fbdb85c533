import JSON

/// The stages of transformers' `GemmaTokenizer` and `LlamaTokenizer`, which their classes have and no file can change,
/// but for Llama's `add_prefix_space` and `legacy`: BPE over characters with bytes for those that have no token, after
/// SentencePiece's manner.
struct SentencePieceStages {
  /// As in a tokenizer.json.
  let stages: JSONNode
  /// What the classes take where no file names them.
  let specialTokens: [String: String]
  /// Whether characters without a token, where there are no bytes' tokens either, become the unknown token.
  let knowsUnknown: Bool

  /// Blanks become `▁`; no blank is put before a text.
  static func gemma(_ config: JSONNode) throws -> SentencePieceStages {
    SentencePieceStages(
      stages: try node(
        """
        {"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
         "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false},
         "decoder": {"type": "Sequence", "decoders": [\(decoders)]}}
        """, config),
      specialTokens: [
        "unk_token": "<unk>", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "mask_token": "<mask>",
      ], knowsUnknown: true)
  }

  /// `▁` is put before a text, or by `legacy` before each stretch between added tokens.
  static func llama(_ config: JSONNode) throws -> SentencePieceStages {
    let addsBlank = try config.bool("add_prefix_space", default: true)
    let scheme = try !addsBlank ? "never" : config.bool("legacy", default: false) ? "always" : "first"
    let strip = addsBlank ? #", {"type": "Strip", "content": " ", "start": 1, "stop": 0}"# : ""
    return SentencePieceStages(
      stages: try node(
        """
        {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "\(scheme)", "split": false},
         "decoder": {"type": "Sequence", "decoders": [\(decoders)\(strip)]}}
        """, config),
      specialTokens: ["unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"], knowsUnknown: false)
  }

  private static let decoders =
    #"{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}"#

  private static func node(_ text: String, _ config: JSONNode) throws -> JSONNode {
    JSONNode(value: try JSONValue.read(Array(text.utf8)), key: "", file: config.file)
  }

  /// Says which stages of tokenizer.json are other ones, and so not used.
  func remarks(_ tokenizer: JSONNode, of kind: String) throws -> [String] {
    var others: [String] = []
    // Where the normaliser leaves no blank, cutting at blanks does nothing.
    let harmless =
      try stages.has("normalizer") ? ["normalizer", "decoder"] : ["normalizer", "pre_tokenizer", "decoder"]
    for name in harmless where try !Self.isSame(tokenizer.optional(name)?.value, stages.optional(name)?.value) {
      others.append(name)
    }
    let model = try tokenizer.required("model")
    for (name, value) in [("byte_fallback", true), ("fuse_unk", true), ("ignore_merges", false)]
    where try model.bool(name, default: false) != value {
      others.append("model.\(name)")
    }
    guard !others.isEmpty else { return [] }
    return [
      "\(tokenizer.file): \(others.joined(separator: ", ")) is not that of the class \(kind), and is not used, as in transformers 5; "
        + "transformers 4 would use it, and may give other tokens"
    ]
  }

  /// Whatever the order of keys.
  private static func isSame(_ left: JSONValue?, _ right: JSONValue?) -> Bool {
    switch (left, right) {
    case (.object(let left), .object(let right)):
      left.count == right.count
        && left.allSatisfy { member in isSame(member.value, right.first { $0.key == member.key }?.value) }
    case (.array(let left), .array(let right)):
      left.count == right.count && zip(left, right).allSatisfy { isSame($0, $1) }
    default: left == right
    }
  }
}

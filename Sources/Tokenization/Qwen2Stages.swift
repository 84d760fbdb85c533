import JSON

/// The stages of transformers' Qwen2Tokenizer, which its class has and no file can change, but for `add_prefix_space`.
struct Qwen2Stages {
  let normalizer = Normalizer(forms: [.nfc])
  let preTokenizer: PreTokenizer

  /// What the class takes where no file names them.
  static let specialTokens = [
    "unk_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
  ]

  static let pattern =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  /// - Parameter node: a node of the file that errors name.
  init(addPrefixSpace: Bool, _ node: JSONNode) throws {
    preTokenizer = try PreTokenizer(
      JSONNode(value: Self.stages(addPrefixSpace: addPrefixSpace), key: "pre_tokenizer", file: node.file))
  }

  private static func stages(addPrefixSpace: Bool) -> JSONValue {
    func member(_ key: String, _ value: JSONValue) -> JSONMember { JSONMember(key: ByteString(key), value: value) }
    func text(_ text: String) -> JSONValue { .string(ByteString(text)) }
    let split = JSONValue.object([
      member("type", text("Split")), member("pattern", .object([member("Regex", text(pattern))])),
      member("behavior", text("Isolated")), member("invert", .bool(false)),
    ])
    let byteLevel = JSONValue.object([
      member("type", text("ByteLevel")), member("add_prefix_space", .bool(addPrefixSpace)),
      member("use_regex", .bool(false)),
    ])
    return .object([member("type", text("Sequence")), member("pretokenizers", .array([split, byteLevel]))])
  }

  /// Says which stages of tokenizer.json are other ones, and so not used.
  static func remarks(_ tokenizer: JSONNode, _ config: JSONNode) throws -> [String] {
    var others: [String] = []
    let normalizer = try tokenizer.optional("normalizer")
    if try normalizer?.optional("type")?.string().text != "NFC" { others.append("normalizer") }
    let stages = try tokenizer.optional("pre_tokenizer")?.optional("pretokenizers")?.elements() ?? []
    let regex = try stages.first?.optional("pattern")?.optional("Regex")?.string().text
    let addsSpace = try config.bool("add_prefix_space", default: false)
    let last = try stages.last?.bool("add_prefix_space", default: true)
    let usesRegex = try stages.last?.bool("use_regex", default: true)
    if stages.count != 2 || regex != pattern || last != addsSpace || usesRegex != false {
      others.append("pre_tokenizer")
    }
    let model = try tokenizer.required("model")
    for name in ["ignore_merges", "byte_fallback"] where try model.bool(name, default: false) {
      others.append("model.\(name)")
    }
    guard !others.isEmpty else { return [] }
    return [
      "\(tokenizer.file): \(others.joined(separator: ", ")) is not that of the class Qwen2Tokenizer, and is not used, as in "
        + "transformers 5; transformers 4 would use it, and may give other tokens"
    ]
  }
}

import JSON

/// The class of transformers that a folder's tokenizer is made by.
///
/// Some classes have stages of their own and take only vocabulary, merges, added tokens and post-processor from
/// tokenizer.json; the others take the whole file.
enum TokenizerClass: Equatable {
  case qwen2
  case gemma
  case llama
  case whole

  /// Without the ending `Fast`, which means the same.
  private static let known: [String: TokenizerClass] = [
    "Qwen2Tokenizer": .qwen2, "GemmaTokenizer": .gemma, "LlamaTokenizer": .llama, "GPT2Tokenizer": .whole,
    "TokenizersBackend": .whole, "PreTrainedTokenizer": .whole, "PythonBackend": .whole,
  ]

  /// What transformers registers for a model: what it takes where no file names a class. For those that take the file
  /// whole it takes no other either: their folders are known to name a wrong one.
  private static let registered: [String: TokenizerClass] = [
    "qwen2_vl": .qwen2, "qwen2_5_vl": .qwen2, "qwen3_vl": .qwen2, "internvl": .qwen2, "gemma3": .gemma,
    "smolvlm": .whole, "llava": .whole, "llava_next": .whole,
  ]

  /// As `AutoTokenizer.from_pretrained` of transformers 5.23 chooses.
  ///
  /// - Parameters:
  ///   - config: tokenizer_config.json.
  ///   - model: config.json.
  ///   - usesByteLevel: whether tokenizer.json has a stage of bytes, which Llama's class has not.
  /// - Throws: `TokenizationError` for another class.
  init(_ config: JSONNode, model: JSONNode?, usesByteLevel: Bool) throws {
    let modelType = try model?.optional("model_type")?.string().text
    let registered = modelType.flatMap { Self.registered[$0] }
    guard let node = try config.optional("tokenizer_class") ?? model?.optional("tokenizer_class") else {
      guard registered != nil || modelType == nil else {
        throw config.child(.null, "tokenizer_class").fault(
          "the key is missing, and no class is known for the model_type \(modelType ?? "")")
      }
      self = registered ?? .qwen2
      return
    }
    let name = try node.string().text
    guard let named = Self.known[name.hasSuffix("Fast") ? String(name.dropLast(4)) : name] else {
      let known = Self.known.keys.sorted().joined(separator: ", ")
      throw node.fault("the tokenizer class \"\(name)\" is not supported; those supported are \(known)")
    }
    if registered == .whole || (named == .llama && usesByteLevel) {
      self = .whole
    } else {
      self = named
    }
  }

  /// What a class has of its own.
  struct Stages {
    let normalizer: Normalizer
    let preTokenizer: PreTokenizer
    let decoder: TokenDecoder
    /// What the class takes where no file names them.
    let specialTokens: [String: String]
    let options: (SpecialTokens) -> BytePairModel.Options
    let remarks: (_ tokenizer: JSONNode) throws -> [String]
  }

  /// Nil where the file has them.
  func stages(_ config: JSONNode) throws -> Stages? {
    switch self {
    case .whole: return nil
    case .qwen2:
      let stages = try Qwen2Stages(addPrefixSpace: config.bool("add_prefix_space", default: false), config)
      return Stages(
        normalizer: stages.normalizer, preTokenizer: stages.preTokenizer, decoder: .byteLevel,
        specialTokens: Qwen2Stages.specialTokens, options: { _ in BytePairModel.Options() },
        remarks: { try Qwen2Stages.remarks($0, config) })
    case .gemma: return try Self.stages(.gemma(config), "GemmaTokenizer")
    case .llama: return try Self.stages(.llama(config), "LlamaTokenizer")
    }
  }

  private static func stages(_ stages: SentencePieceStages, _ name: String) throws -> Stages {
    Stages(
      normalizer: try Normalizer(stages.stages.optional("normalizer")),
      preTokenizer: try PreTokenizer(stages.stages.optional("pre_tokenizer")),
      decoder: try TokenDecoder(stages.stages.optional("decoder")), specialTokens: stages.specialTokens,
      options: { special in
        let unknown = special.named.first { $0.name == "unk_token" && stages.knowsUnknown }?.token
        return BytePairModel.Options(
          unknown: unknown.map { ($0.value.content, $0.node) }, fusesUnknown: true, fallsBackToBytes: true)
      },
      remarks: { try stages.remarks($0, of: name) })
  }
}

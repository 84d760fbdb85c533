import Kernels

/// The language model of a config.json, as Llama and its relatives write it: `text_config`, or the top level where a
/// file has none.
///
/// Published files leave out what equals transformers' default at the time.
struct DecoderConfiguration: Sendable, Equatable {
  /// The architecture: what its layers have, and the defaults of transformers' class.
  struct Kind: Sendable, Equatable {
    /// `model_type` of a `text_config`; the first is named in errors.
    var modelTypes: [String]
    var rmsNormEps = 1e-6
    var ropeTheta = 10_000.0
    /// nil for the width divided by the number of heads.
    var headDim: Int?
    /// Whether another head dimension than the default may be given.
    var takesHeadDim = true
    /// Biases of the query, key and value projections; nil if `attention_bias` says it, for the output projection too.
    var hasQueryKeyValueBias: Bool?
    var hasQueryKeyNorm = false

    static let llama = Kind(modelTypes: ["llama"])
    static let mistral = Kind(modelTypes: ["mistral"], hasQueryKeyValueBias: false)
    static let qwen2 = Kind(modelTypes: ["qwen2"], hasQueryKeyValueBias: true)
    static let qwen3 = Kind(modelTypes: ["qwen3"], headDim: 128, hasQueryKeyNorm: true)
  }

  let hiddenSize: Int
  let intermediateSize: Int
  let numHiddenLayers: Int
  let numAttentionHeads: Int
  let numKeyValueHeads: Int
  let headDim: Int
  let vocabularySize: Int
  let rmsNormEps: Double
  let hasQueryKeyValueBias: Bool
  let hasOutputBias: Bool
  let hasQueryKeyNorm: Bool
  /// Whether the output head is the embeddings, unless the file holds another head.
  let tieWordEmbeddings: Bool
  /// What the user should know of the file.
  let remarks: [String]

  var shape: AttentionShape {
    AttentionShape(heads: numAttentionHeads, keyValueHeads: numKeyValueHeads, headDim: headDim)
  }

  /// - Parameters:
  ///   - text: the language model's part of the file; it may be the whole.
  ///   - family: as errors call it.
  ///   - ties: `tie_word_embeddings` where the file says nothing.
  ///   - textTies: whether a true one in `text_config` counts too.
  /// - Throws: `ConfigurationError` naming the key.
  init(
    _ text: ConfigurationFile, of file: ConfigurationFile, kind: Kind, family: String, ties: Bool = false,
    textTies: Bool = false
  ) throws {
    try Self.refuseQuantised(file)
    try Self.check(text, "model_type", isOneOf: kind.modelTypes, family: family)
    try Self.check(text, "hidden_act", isOneOf: ["silu"], family: family)
    if try text.boolean("use_sliding_window", default: false) {
      throw text.wrong("use_sliding_window", "is true; no published \(family) uses it and it is not supported")
    }
    for type in try text.strings("layer_types") ?? [] where type != "full_attention" {
      throw text.wrong("layer_types", "holds \"\(type)\"; \(family) has \"full_attention\" in all layers")
    }
    let size = 1...1_000_000
    hiddenSize = try text.integer("hidden_size", in: size)
    intermediateSize = try text.integer("intermediate_size", in: size)
    numHiddenLayers = try text.integer("num_hidden_layers", in: 1...10_000)
    numAttentionHeads = try text.integer("num_attention_heads", in: 1...10_000)
    numKeyValueHeads = try text.integer("num_key_value_heads", in: 1...10_000, default: numAttentionHeads)
    vocabularySize = try text.integer("vocab_size", in: 1...100_000_000)
    rmsNormEps = try text.double("rms_norm_eps", in: 0...1, default: kind.rmsNormEps)
    let isBiased = try kind.hasQueryKeyValueBias == nil ? text.boolean("attention_bias", default: false) : false
    (hasQueryKeyValueBias, hasOutputBias) = (kind.hasQueryKeyValueBias ?? isBiased, isBiased)
    if try text.boolean("mlp_bias", default: false) {
      throw text.wrong("mlp_bias", "is true; no published \(family) has biases there and they are not supported")
    }
    hasQueryKeyNorm = kind.hasQueryKeyNorm
    headDim = try Self.headDim(text, kind, hiddenSize: hiddenSize, heads: numAttentionHeads, family: family)
    guard numAttentionHeads % numKeyValueHeads == 0 else {
      throw text.wrong(
        "num_key_value_heads", "is \(numKeyValueHeads); it must divide num_attention_heads (\(numAttentionHeads))")
    }
    let isTied = try file.boolean("tie_word_embeddings", default: ties)
    let isTiedInText = try text.boolean("tie_word_embeddings", default: false)
    tieWordEmbeddings = isTied || (textTies && isTiedInText)
    let dropout = try text.double("attention_dropout", in: 0...1, default: 0)
    remarks =
      dropout == 0
      ? []
      : ["\(file.path): attention_dropout \(dropout) is not applied in training; transformers would apply it there"]
  }

  /// - Throws: where the heads don't make up the width, or don't have the dimension that the architecture has.
  private static func headDim(
    _ text: ConfigurationFile, _ kind: Kind, hiddenSize: Int, heads: Int, family: String
  ) throws -> Int {
    let even = hiddenSize / heads
    if let fixed = kind.headDim { return try text.integer("head_dim", in: 2...10_000, default: fixed) }
    if kind.takesHeadDim, text.has("head_dim") {
      let given = try text.integer("head_dim", in: 2...10_000)
      guard given % 2 == 0 else { throw text.wrong("head_dim", "is \(given); it must be even") }
      return given
    }
    guard hiddenSize % heads == 0, even % 2 == 0 else {
      throw text.wrong(
        "hidden_size", "is \(hiddenSize); it must be num_attention_heads (\(heads)) times an even number")
    }
    let given = try text.integer("head_dim", in: 1...1_000_000, default: even)
    guard given == even else {
      throw text.wrong("head_dim", "is \(given); \(family)'s is the width divided by the number of heads, \(even)")
    }
    return even
  }
}

// MARK: - What would give other numbers

extension DecoderConfiguration {
  static func refuseQuantised(_ file: ConfigurationFile) throws {
    for key in ["quantization_config", "compression_config"] {
      guard let settings = try file.object(key) else { continue }
      let method = try settings.string("quant_method").map { ": \($0)" } ?? ""
      throw file.wrong(
        key,
        "is present\(method): quantised weights are not read; take the unquantised model, or save it from transformers in bfloat16"
      )
    }
  }

  /// Refuses another text than a family has; none is as the first.
  static func check(_ part: ConfigurationFile, _ key: String, isOneOf known: [String], family: String) throws {
    guard let value = try part.string(key), !known.contains(value) else { return }
    throw part.wrong(key, "is \"\(value)\"; \(family) has \"\(known[0])\"")
  }

  /// Rotary settings: theta, and the object that holds the others, where there is one.
  ///
  /// - Parameter kinds: the types of rotary embedding that the family has.
  static func rope(
    _ text: ConfigurationFile, kinds: [String], theta: Double, family: String
  ) throws -> (theta: Double, settings: ConfigurationFile?) {
    let old = try text.object("rope_scaling").flatMap { $0.isEmpty ? nil : $0 }
    let settings = try old ?? text.object("rope_parameters")
    let fallback = try text.double("rope_theta", in: 1...1e12, default: theta)
    for part in [settings, text].compactMap({ $0 })
    where try part.double("partial_rotary_factor", in: 0...1, default: 1) != 1 {
      throw part.wrong("partial_rotary_factor", "is not 1; \(family) rotates all of each head")
    }
    guard let settings else { return (fallback, nil) }
    let given = [try settings.string("type"), try settings.string("rope_type")].compactMap { $0 }
    guard given.allSatisfy(kinds.contains) else {
      throw settings.wrong("type", "is \(given); \(family) has \"\(kinds[0])\"")
    }
    return (try settings.double("rope_theta", in: 1...1e12, default: fallback), settings)
  }
}

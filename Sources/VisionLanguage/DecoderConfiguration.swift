import Foundation
import Kernels

/// The language model of a config.json, as Llama and its relatives write it: `text_config`, or the top level where a
/// file has none.
///
/// Published files leave out what equals transformers' default at the time.
struct DecoderConfiguration: Sendable, Equatable {
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
  /// Of the MLP's gate.
  let activation: Activation
  /// What is added to the weights of all norms: 1 for Gemma, whose norms multiply by 1 + w.
  let normWeightOffset: Float
  /// Whether there are norms behind the attention and the MLP too.
  let hasOutputNorms: Bool
  /// What token embeddings are multiplied by; nil for nothing.
  let embeddingFactor: Float?
  /// What the products of queries and keys are multiplied by; nil for D^-1/2.
  let scoreScale: Float?
  /// Of the attention scores, and of the output head's.
  let scoreSoftcap: Float?
  let logitSoftcap: Float?
  /// Keys that a query of each layer sees at most; nil for all. - Shape: [layers].
  let windows: [Int?]
  /// Whether layers with a window have a rotary embedding of their own: table 1, the others table 0.
  let windowsHaveOwnRotary: Bool
  /// Whether a window holds too for positions that see one another both ways.
  let windowHoldsBothWays: Bool
  /// Whether the output head is the embeddings, unless the file holds another head.
  let tieWordEmbeddings: Bool
  /// What the user should know of the file.
  let remarks: [String]

  var shape: AttentionShape {
    AttentionShape(
      heads: numAttentionHeads, keyValueHeads: numKeyValueHeads, headDim: headDim, scoreScale: scoreScale,
      softcap: scoreSoftcap)
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
    for key in kind.activationKeys {
      try Self.check(text, key, isOneOf: kind.activations, family: family)
    }
    activation = kind.activation
    if try text.boolean("use_sliding_window", default: false) {
      throw text.wrong("use_sliding_window", "is true; no published \(family) uses it and it is not supported")
    }
    if !kind.hasMaskOfFamily, try text.boolean("use_bidirectional_attention", default: false) {
      throw text.wrong("use_bidirectional_attention", "is true; \(family)'s text is causal")
    }
    let size = 1...1_000_000
    hiddenSize = try text.integer("hidden_size", in: size, default: kind.hiddenSize)
    intermediateSize = try text.integer("intermediate_size", in: size, default: kind.intermediateSize)
    numHiddenLayers = try text.integer("num_hidden_layers", in: 1...10_000, default: kind.layers)
    numAttentionHeads = try text.integer("num_attention_heads", in: 1...10_000, default: kind.heads)
    numKeyValueHeads = try text.integer(
      "num_key_value_heads", in: 1...10_000, default: kind.keyValueHeads ?? numAttentionHeads)
    vocabularySize = try text.integer("vocab_size", in: 1...100_000_000, default: kind.vocabularySize)
    rmsNormEps = try text.double("rms_norm_eps", in: 0...1, default: kind.rmsNormEps)
    let isBiased = try kind.hasQueryKeyValueBias == nil ? text.boolean("attention_bias", default: false) : false
    (hasQueryKeyValueBias, hasOutputBias) = (kind.hasQueryKeyValueBias ?? isBiased, isBiased)
    if try text.boolean("mlp_bias", default: false) {
      throw text.wrong("mlp_bias", "is true; no published \(family) has biases there and they are not supported")
    }
    hasQueryKeyNorm = kind.hasQueryKeyNorm
    (normWeightOffset, hasOutputNorms) = (kind.normWeightOffset, kind.hasOutputNorms)
    embeddingFactor = kind.scalesEmbeddings ? Float(Double(hiddenSize).squareRoot()) : nil
    scoreScale = try kind.queryPreAttentionScalar.map { scalar in
      try Float(pow(text.double("query_pre_attn_scalar", in: 1e-6...1e6, default: scalar), -0.5))
    }
    scoreSoftcap = try Self.softcap(text, "attn_logit_softcapping", kind.scoreSoftcap, kind, family)
    logitSoftcap = try Self.softcap(text, "final_logit_softcapping", kind.logitSoftcap, kind, family)
    windows = try Self.windows(text, kind, layers: numHiddenLayers, family: family)
    windowsHaveOwnRotary = kind.windowsHaveOwnRotary
    windowHoldsBothWays = kind.windowHoldsBothWays
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

  /// A key that holds null switches a softcap off, as in transformers.
  private static func softcap(
    _ text: ConfigurationFile, _ key: String, _ fallback: Double?, _ kind: Kind, _ family: String
  ) throws -> Float? {
    if text.holds(key), !text.has(key) { return nil }
    guard kind.hasSoftcaps else {
      guard !text.has(key) else { throw text.wrong(key, "is present; \(family) has no softcap") }
      return nil
    }
    guard let fallback else { return text.has(key) ? Float(try text.double(key, in: 1e-3...1e6)) : nil }
    return Float(try text.double(key, in: 1e-3...1e6, default: fallback))
  }

  /// The window of each layer.
  ///
  /// - Throws: where `layer_types` names a kind of layer that the architecture doesn't have, or not one for each layer.
  private static func windows(
    _ text: ConfigurationFile, _ kind: Kind, layers: Int, family: String
  ) throws -> [Int?] {
    let types = try text.strings("layer_types")
    let isOff = kind.windows?.period == nil && text.holds("sliding_window") && !text.has("sliding_window")
    guard let pattern = kind.windows, !isOff else {
      for type in types ?? [] where type != "full_attention" {
        throw text.wrong("layer_types", "holds \"\(type)\"; \(family) has \"full_attention\" in all layers")
      }
      return [Int?](repeating: nil, count: layers)
    }
    let window = try text.integer("sliding_window", in: 1...1_000_000_000, default: pattern.size)
    guard let types else {
      let period = try pattern.periodKey.map { try text.integer($0, in: 1...10_000, default: pattern.period) }
      guard let period = period ?? pattern.period else { return [Int?](repeating: window, count: layers) }
      return (0..<layers).map { ($0 + 1) % period == 0 ? nil : window }
    }
    guard types.count == layers else {
      throw text.wrong("layer_types", "has \(types.count) entries; num_hidden_layers is \(layers)")
    }
    return try types.map { type in
      switch type {
      case "full_attention": nil
      case "sliding_attention": window
      default:
        throw text.wrong(
          "layer_types", "holds \"\(type)\"; \(family) has \"full_attention\" and \"sliding_attention\"")
      }
    }
  }

  /// - Throws: where the heads don't make up the width, or don't have the dimension that the architecture has.
  private static func headDim(
    _ text: ConfigurationFile, _ kind: Kind, hiddenSize: Int, heads: Int, family: String
  ) throws -> Int {
    let even = hiddenSize / heads
    if kind.headDim != nil || (kind.takesHeadDim && text.has("head_dim")) {
      let given = try text.integer("head_dim", in: 2...10_000, default: kind.headDim)
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
    for key in settings.keys where settings.value(of: key)?.members != nil {
      throw settings.wrong(
        key, "is an object; \(family) has one rotary embedding, whose settings stand here themselves")
    }
    let given = [try settings.string("type"), try settings.string("rope_type")].compactMap { $0 }
    guard given.allSatisfy(kinds.contains) else {
      throw settings.wrong("type", "is \(given); \(family) has \"\(kinds[0])\"")
    }
    return (try settings.double("rope_theta", in: 1...1e12, default: fallback), settings)
  }
}

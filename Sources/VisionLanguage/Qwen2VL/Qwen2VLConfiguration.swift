import Foundation
import Transformer

/// config.json of a Qwen2-VL checkpoint, in the flat layout of the published models and in the nested `text_config`
/// one that transformers 5 writes.
struct Qwen2VLConfiguration: Sendable, Equatable {
  // The decoder.
  let hiddenSize: Int
  let intermediateSize: Int
  let numHiddenLayers: Int
  let numAttentionHeads: Int
  let numKeyValueHeads: Int
  let vocabularySize: Int
  let rmsNormEps: Double
  let ropeTheta: Double
  /// Frequencies that turn with the temporal, the vertical and the horizontal position; they add up to half of D.
  let mropeSection: [Int]
  let tieWordEmbeddings: Bool
  // The vision tower.
  let visionDepth: Int
  let visionEmbedDim: Int
  let visionNumHeads: Int
  let visionIntermediateSize: Int
  let inChannels: Int
  let patchSize: Int
  let temporalPatchSize: Int
  let spatialMergeSize: Int
  // Token ids.
  let imageTokenId: Int
  let videoTokenId: Int
  /// What the user should know of the file.
  let remarks: [String]

  var headDim: Int { hiddenSize / numAttentionHeads }
  var visionHeadDim: Int { visionEmbedDim / visionNumHeads }
  /// Numbers of one flattened patch.
  var patchWidth: Int { inChannels * temporalPatchSize * patchSize * patchSize }

  /// - Throws: `ConfigurationError` naming the key.
  init(contentsOf url: URL) throws {
    let file = try ConfigurationFile(contentsOf: url)
    try Self.refuseQuantised(file)
    let text = try file.object("text_config") ?? file
    guard let vision = try file.object("vision_config") else { throw file.wrong("vision_config", "is missing") }
    try Self.check(type: text, in: ["qwen2_vl_text", "qwen2_vl"])
    try Self.check(type: vision, in: ["qwen2_vl_vision", "qwen2_vl"])
    try Self.refuseOtherAttention(text)
    let size = 1...1_000_000

    hiddenSize = try text.integer("hidden_size", in: size)
    intermediateSize = try text.integer("intermediate_size", in: size)
    numHiddenLayers = try text.integer("num_hidden_layers", in: 1...10_000)
    numAttentionHeads = try text.integer("num_attention_heads", in: 1...10_000)
    numKeyValueHeads = try text.integer("num_key_value_heads", in: 1...10_000, default: numAttentionHeads)
    vocabularySize = try text.integer("vocab_size", in: 1...100_000_000)
    rmsNormEps = try text.double("rms_norm_eps", in: 0...1, default: 1e-5)
    let ties = [
      try file.boolean("tie_word_embeddings", default: false), try text.boolean("tie_word_embeddings", default: false),
    ]
    tieWordEmbeddings = ties.contains(true)
    guard hiddenSize % numAttentionHeads == 0, (hiddenSize / numAttentionHeads) % 2 == 0 else {
      throw text.wrong(
        "hidden_size", "is \(hiddenSize); it must be num_attention_heads (\(numAttentionHeads)) times an even number")
    }
    guard numAttentionHeads % numKeyValueHeads == 0 else {
      throw text.wrong(
        "num_key_value_heads", "is \(numKeyValueHeads); it must divide num_attention_heads (\(numAttentionHeads))")
    }

    try Self.checkHeadDimension(text, is: hiddenSize / numAttentionHeads)
    (ropeTheta, mropeSection) = try Self.rope(text, half: hiddenSize / numAttentionHeads / 2)
    try Self.checkRope(vision)

    visionDepth = try vision.integer("depth", in: 1...10_000, default: 32)
    visionEmbedDim = try vision.integer("embed_dim", in: size, default: 1280)
    visionNumHeads = try vision.integer("num_heads", in: 1...10_000, default: 16)
    let ratio = try vision.double("mlp_ratio", in: 0.001...1000, default: 4)
    visionIntermediateSize = Int(Double(visionEmbedDim) * ratio)
    guard visionIntermediateSize >= 1 else {
      throw vision.wrong("mlp_ratio", "is \(ratio); times embed_dim (\(visionEmbedDim)) it must be at least 1")
    }
    inChannels = try vision.integer(
      "in_channels", in: 3...3, default: vision.integer("in_chans", in: 3...3, default: 3))
    patchSize = try vision.integer("patch_size", in: 1...1024, default: 14)
    temporalPatchSize = try vision.integer("temporal_patch_size", in: 1...64, default: 2)
    spatialMergeSize = try vision.integer("spatial_merge_size", in: 1...64, default: 2)
    guard visionEmbedDim % visionNumHeads == 0, (visionEmbedDim / visionNumHeads) % 4 == 0 else {
      throw vision.wrong(
        "embed_dim", "is \(visionEmbedDim); it must be num_heads (\(visionNumHeads)) times a multiple of 4")
    }
    try Self.checkHeadDimension(vision, is: visionEmbedDim / visionNumHeads)
    let connected = try vision.integer("hidden_size", in: size, default: hiddenSize)
    guard connected == hiddenSize else {
      throw vision.wrong("hidden_size", "is \(connected); it must equal the decoder's hidden_size, \(hiddenSize)")
    }
    try Self.check(vision, "hidden_act", is: "quick_gelu")

    let vocabulary = 0...(vocabularySize - 1)
    imageTokenId = try file.integer("image_token_id", in: vocabulary)
    videoTokenId = try file.integer("video_token_id", in: vocabulary, default: imageTokenId)
    let dropout = try text.double("attention_dropout", in: 0...1, default: 0)
    remarks =
      dropout == 0
      ? []
      : ["\(file.path): attention_dropout \(dropout) is not applied in training; transformers would apply it there"]
  }
  // MARK: - What would give other numbers

  private static func refuseQuantised(_ file: ConfigurationFile) throws {
    for key in ["quantization_config", "compression_config"] {
      guard let settings = try file.object(key) else { continue }
      let method = try settings.string("quant_method").map { ": \($0)" } ?? ""
      throw file.wrong(
        key,
        "is present\(method): quantised weights are not read; take the unquantised model, or save it from transformers in bfloat16"
      )
    }
  }

  /// A part's own `model_type`.
  private static func check(type part: ConfigurationFile, in known: [String]) throws {
    guard let type = try part.string("model_type"), !known.contains(type) else { return }
    throw part.wrong("model_type", "is \"\(type)\"; Qwen2-VL has \"\(known[0])\"")
  }

  private static func check(_ part: ConfigurationFile, _ key: String, is right: String) throws {
    guard let value = try part.string(key), value != right else { return }
    throw part.wrong(key, "is \"\(value)\"; Qwen2-VL has \"\(right)\"")
  }

  private static func refuseOtherAttention(_ text: ConfigurationFile) throws {
    try check(text, "hidden_act", is: "silu")
    if try text.boolean("use_sliding_window", default: false) {
      throw text.wrong("use_sliding_window", "is true; no published Qwen2-VL uses it and it is not supported")
    }
    for type in try text.strings("layer_types") ?? [] where type != "full_attention" {
      throw text.wrong("layer_types", "holds \"\(type)\"; Qwen2-VL has \"full_attention\" in all layers")
    }
  }

  private static func checkHeadDimension(_ part: ConfigurationFile, is right: Int) throws {
    let given = try part.integer("head_dim", in: 1...1_000_000, default: right)
    guard given == right else {
      throw part.wrong("head_dim", "is \(given); Qwen2-VL's is the width divided by the number of heads, \(right)")
    }
  }

  /// Rotary settings of the decoder: theta and the three sections.
  private static func rope(_ text: ConfigurationFile, half: Int) throws -> (theta: Double, sections: [Int]) {
    let old = try text.object("rope_scaling").flatMap { $0.isEmpty ? nil : $0 }
    guard let rope = try old ?? text.object("rope_parameters") else {
      throw text.wrong("rope_scaling", "and rope_parameters are missing; one must hold mrope_section")
    }
    let fallbackTheta = try text.double("rope_theta", in: 1...1e12, default: 1_000_000)
    let theta = try rope.double("rope_theta", in: 1...1e12, default: fallbackTheta)
    let kinds = [try rope.string("type"), try rope.string("rope_type")].compactMap { $0 }
    guard kinds.allSatisfy({ $0 == "mrope" || $0 == "default" }) else {
      throw rope.wrong("type", "is \(kinds); Qwen2-VL has \"mrope\"")
    }
    for part in [rope, text] where try part.double("partial_rotary_factor", in: 0...1, default: 1) != 1 {
      throw part.wrong("partial_rotary_factor", "is not 1; Qwen2-VL turns the whole of each head")
    }
    guard let section = try rope.integers("mrope_section", in: 0...10_000), section.count == 3,
      section.reduce(0, +) == half
    else {
      throw rope.wrong(
        "mrope_section", "must be 3 whole numbers that add up to half the head dimension, \(half)")
    }
    return (theta, section)
  }

  /// Rotary settings of the vision tower, which has one kind and one theta.
  private static func checkRope(_ vision: ConfigurationFile) throws {
    for part in [vision, try vision.object("rope_scaling"), try vision.object("rope_parameters")].compactMap({ $0 }) {
      for key in ["type", "rope_type"] {
        guard let kind = try part.string(key), kind != "axial", kind != "default" else { continue }
        throw part.wrong(key, "is \"\(kind)\"; Qwen2-VL's vision tower has \"axial\"")
      }
      guard try part.double("rope_theta", in: 1...1e12, default: 10_000) == 10_000 else {
        throw part.wrong("rope_theta", "is not 10000, which Qwen2-VL's vision tower has")
      }
    }
  }
}

import Foundation

/// config.json of a Qwen2-VL checkpoint, in the flat layout of the published models and in the nested `text_config`
/// one that transformers 5 writes.
struct Qwen2VLConfiguration: Sendable, Equatable {
  static let family = "Qwen2-VL"

  /// The decoder.
  let text: DecoderConfiguration
  let ropeTheta: Double
  /// Frequencies that turn with the temporal, the vertical and the horizontal position; they add up to half of D.
  let mropeSection: [Int]
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

  private static let decoder = DecoderConfiguration.Kind(
    modelTypes: ["qwen2_vl_text", "qwen2_vl"], rmsNormEps: 1e-5, takesHeadDim: false, hasQueryKeyValueBias: true)

  /// - Throws: `ConfigurationError` naming the key.
  init(contentsOf url: URL) throws { try self.init(ConfigurationFile(contentsOf: url)) }

  /// - Throws: `ConfigurationError` naming the key.
  init(_ file: ConfigurationFile) throws {
    let decoder = try QwenDecoderConfiguration(file, kind: Self.decoder, family: Self.family)
    (text, ropeTheta, mropeSection) = (decoder.text, decoder.ropeTheta, decoder.mropeSection)
    (imageTokenId, videoTokenId) = (decoder.imageTokenId, decoder.videoTokenId)
    guard let vision = try file.object("vision_config") else { throw file.wrong("vision_config", "is missing") }
    try DecoderConfiguration.check(
      vision, "model_type", isOneOf: ["qwen2_vl_vision", "qwen2_vl"], family: Self.family)
    try DecoderConfiguration.check(vision, "hidden_act", isOneOf: ["quick_gelu"], family: Self.family)
    try Self.checkVisionRope(vision, family: Self.family)
    visionDepth = try vision.integer("depth", in: 1...10_000, default: 32)
    visionEmbedDim = try vision.integer("embed_dim", in: 1...1_000_000, default: 1280)
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
    let headDim = try vision.integer("head_dim", in: 1...1_000_000, default: visionEmbedDim / visionNumHeads)
    guard headDim == visionEmbedDim / visionNumHeads else {
      throw vision.wrong(
        "head_dim", "is \(headDim); it must be embed_dim / num_heads, \(visionEmbedDim / visionNumHeads)")
    }
    let connected = try vision.integer("hidden_size", in: 1...1_000_000, default: self.text.hiddenSize)
    guard connected == self.text.hiddenSize else {
      throw vision.wrong(
        "hidden_size", "is \(connected); it must equal the decoder's hidden_size, \(self.text.hiddenSize)")
    }
  }

  /// Rotary settings of the vision tower, which has one kind and one theta; in Qwen2.5-VL and Qwen3-VL too.
  ///
  /// - Throws: `ConfigurationError` if a file has others.
  static func checkVisionRope(_ vision: ConfigurationFile, family: String) throws {
    for part in [vision, try vision.object("rope_scaling"), try vision.object("rope_parameters")].compactMap({ $0 }) {
      for key in ["type", "rope_type"] {
        try DecoderConfiguration.check(part, key, isOneOf: ["axial", "default"], family: "\(family)'s vision tower")
      }
      guard try part.double("rope_theta", in: 1...1e12, default: 10_000) == 10_000 else {
        throw part.wrong("rope_theta", "is not 10000, which \(family)'s vision tower has")
      }
    }
  }

  /// What the tower is made of.
  var tower: QwenTowerConfiguration {
    QwenTowerConfiguration(
      depth: visionDepth, width: visionEmbedDim, heads: visionNumHeads, intermediateSize: visionIntermediateSize,
      outputSize: text.hiddenSize, patchSize: patchSize, temporalPatchSize: temporalPatchSize,
      spatialMergeSize: spatialMergeSize)
  }
}

/// The decoder of Qwen2-VL and Qwen2.5-VL: `text_config`, or the top level of a flat file, with its multimodal rotary
/// settings, and the ids of the tokens that stand for pictures.
struct QwenDecoderConfiguration: Sendable, Equatable {
  let text: DecoderConfiguration
  let ropeTheta: Double
  /// Frequencies that turn with the temporal, the vertical and the horizontal position; they add up to half of D.
  let mropeSection: [Int]
  let imageTokenId: Int
  let videoTokenId: Int

  /// - Throws: `ConfigurationError` naming the key.
  init(_ file: ConfigurationFile, kind: DecoderConfiguration.Kind, family: String) throws {
    let part = try file.object("text_config") ?? file
    text = try DecoderConfiguration(part, of: file, kind: kind, family: family, textTies: true)
    let rope = try DecoderConfiguration.rope(part, kinds: ["mrope", "default"], theta: 1_000_000, family: family)
    let half = text.headDim / 2
    // transformers' default, which fits heads of 128.
    let section = try rope.settings?.integers("mrope_section", in: 0...10_000) ?? [16, 24, 24]
    guard section.count == 3, section.reduce(0, +) == half else {
      guard let settings = rope.settings else {
        throw part.wrong("rope_scaling", "and rope_parameters are missing; one must hold mrope_section")
      }
      throw settings.wrong(
        "mrope_section", "must be 3 whole numbers that add up to half the head dimension, \(half)")
    }
    (ropeTheta, mropeSection) = (rope.theta, section)
    let vocabulary = 0...(text.vocabularySize - 1)
    imageTokenId = try file.integer(
      "image_token_id", in: vocabulary, default: vocabulary.contains(151_655) ? 151_655 : nil)
    videoTokenId = try file.integer("video_token_id", in: vocabulary, default: imageTokenId)
  }
}

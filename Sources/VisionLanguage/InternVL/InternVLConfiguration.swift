/// config.json of an InternVL3 or InternVL3.5 checkpoint (the `-hf` folders). What a file leaves out is the default of
/// transformers' classes.
struct InternVLConfiguration: Sendable, Equatable {
  let text: DecoderConfiguration
  let ropeTheta: Double
  /// Where dynamic rotary embedding begins to stretch; nil without it.
  let limit: TokenLimit?
  let vision: PatchTowerConfiguration
  /// Whether the tower's query, key and value projections have biases.
  let hasTowerBias: Bool
  /// The side of the block of patches that becomes one visual token (1 / `downsample_ratio`).
  let downsampling: Int
  let imageTokenId: Int

  /// As errors call it.
  static let family = "InternVL"

  /// Visual tokens along the side of a view.
  var tokensASide: Int { vision.patchesASide / downsampling }
  /// Numbers of the patches of one visual token.
  var shuffledWidth: Int { vision.hiddenSize * downsampling * downsampling }

  /// InternVL3's text models, 3.5's, and that of InternVL3-9B.
  private static let kinds = [DecoderConfiguration.Kind.qwen2, .qwen3, .llama]

  /// - Throws: `ConfigurationError` naming the key.
  init(_ file: ConfigurationFile) throws {
    guard let text = try file.object("text_config") else { throw file.wrong("text_config", "is missing") }
    guard let vision = try file.object("vision_config") else { throw file.wrong("vision_config", "is missing") }
    let modelType = try text.string("model_type") ?? Self.kinds[0].modelTypes[0]
    guard let kind = Self.kinds.first(where: { $0.modelTypes.contains(modelType) }) else {
      let known = Self.kinds.map { "\"\($0.modelTypes[0])\"" }.joined(separator: ", ")
      throw text.wrong("model_type", "is \"\(modelType)\"; \(Self.family) has \(known)")
    }
    self.text = try DecoderConfiguration(text, of: file, kind: kind, family: Self.family, ties: true)
    let rope = try DecoderConfiguration.rope(
      text, kinds: ["default", "dynamic"], theta: kind.ropeTheta, family: Self.family)
    ropeTheta = rope.theta
    limit = try rope.settings.flatMap { try Self.limit($0, of: text, isLlama: kind == .llama) }
    try Self.refuseLargeTower(vision)
    self.vision = try PatchTowerConfiguration(
      vision, modelTypes: ["internvl_vision"], kind: .internViT, family: Self.family)
    hasTowerBias = try vision.boolean("attention_bias", default: false)
    downsampling = try Self.downsampling(file, self.vision)
    for (key, known) in [("projector_hidden_act", "gelu"), ("vision_feature_select_strategy", "default")] {
      try DecoderConfiguration.check(file, key, isOneOf: [known], family: Self.family)
    }
    let layer = try file.integer("vision_feature_layer", in: -1000...1000, default: -1)
    guard layer == -1 else {
      throw file.wrong("vision_feature_layer", "is \(layer); it must be -1, the last layer")
    }
    imageTokenId = try file.integer("image_token_id", in: 0...(self.text.vocabularySize - 1), default: 151_667)
  }

  /// Up to `max_position_embeddings` dynamic rotary embedding (Peng et al. 2023, arXiv 2309.00071, appendix A) is the plain
  /// one; for longer sequences it would turn every position otherwise.
  private static func limit(_ settings: ConfigurationFile, of text: ConfigurationFile, isLlama: Bool) throws
    -> TokenLimit?
  {
    guard try settings.string("rope_type") ?? settings.string("type") == "dynamic" else { return nil }
    let factor = try settings.double("factor", in: 1...1e6)
    let tokens = try text.integer("max_position_embeddings", in: 1...1_000_000_000, default: isLlama ? 2048 : 32_768)
    return TokenLimit(
      tokens: tokens,
      reason:
        "\(text.path) has text_config.max_position_embeddings \(tokens) and rope_scaling dynamic (factor \(factor)), which "
        + "changes all positions of a longer one, and that is not supported")
  }

  /// The tower of 6 billion parameters (InternVL3-38B and 78B) has other norms; the other keys change what the tower computes.
  private static func refuseLargeTower(_ vision: ConfigurationFile) throws {
    try DecoderConfiguration.check(vision, "norm_type", isOneOf: ["layer_norm"], family: family)
    for (key, known) in [
      ("use_qk_norm", false), ("use_mask_token", false), ("use_mean_pooling", true),
      ("use_absolute_position_embeddings", true),
    ] where try vision.boolean(key, default: known) != known {
      throw vision.wrong(
        key, "is \(!known); it must be \(known), as in the tower of 300 million parameters (InternVL3 up to 14B)")
    }
  }

  private static func downsampling(_ file: ConfigurationFile, _ vision: PatchTowerConfiguration) throws -> Int {
    let ratio = try file.double("downsample_ratio", in: 0...1, default: 0.5)
    let known = [2, 1, 4, 8].filter { vision.patchesASide.isMultiple(of: $0) }
    guard let factor = known.first(where: { ratio == 1 / Double($0) }) else {
      throw file.wrong(
        "downsample_ratio",
        "is \(ratio); with the tower's \(vision.patchesASide) patches along a side it must be one of "
          + known.map { "\(1 / Double($0))" }.joined(separator: ", "))
    }
    return factor
  }
}

extension PatchTowerConfiguration.Kind {
  /// `internvl_vision` of transformers: InternViT-300M.
  fileprivate static let internViT = Self(
    hiddenSize: 1024, intermediateSize: 4096, numHiddenLayers: 24, numAttentionHeads: 16, imageSize: 448, patchSize: 14,
    activation: .gelu, activations: ["gelu"], hasClassToken: true)
}

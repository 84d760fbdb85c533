/// config.json of a PaliGemma (Gemma) or PaliGemma 2 (Gemma 2) checkpoint. What a file leaves out is the default of transformers'
/// classes.
struct PaliGemmaConfiguration: Sendable, Equatable {
  let text: DecoderConfiguration
  let ropeTheta: Double
  let vision: PatchTowerConfiguration
  let imageTokenId: Int

  /// As errors call it.
  static let family = "PaliGemma"

  /// - Throws: `ConfigurationError` naming the key.
  init(_ file: ConfigurationFile) throws {
    guard let text = try file.object("text_config") else { throw file.wrong("text_config", "is missing") }
    guard let vision = try file.object("vision_config") else { throw file.wrong("vision_config", "is missing") }
    let type = try text.string("model_type") ?? "gemma"
    guard var kind = Self.kinds[type] else {
      throw text.wrong(
        "model_type", "is \"\(type)\"; \(Self.family) has \"gemma\" (PaliGemma) or \"gemma2\" (PaliGemma 2)")
    }
    // transformers takes null for no windows; the default is another.
    if kind.windows != nil { try text.refuseNull(["sliding_window"]) }
    // transformers sets use_bidirectional_attention, and gives the decoder its own mask.
    kind.hasMaskOfFamily = true
    self.text = try DecoderConfiguration(text, of: file, kind: kind, family: Self.family, ties: true)
    ropeTheta =
      try DecoderConfiguration.rope(text, kinds: ["default"], theta: kind.ropeTheta, family: Self.family).theta
    self.vision = try PatchTowerConfiguration(
      vision, modelTypes: ["siglip_vision_model"], kind: .siglip, family: Self.family)
    guard self.vision.patchesASide <= Self.mostTokensASide else {
      throw vision.wrong(
        "image_size",
        "is \(self.vision.imageSize) with a patch_size of \(self.vision.patchSize), \(self.vision.patchesASide) tokens along a side; "
          + "it must be at most \(Self.mostTokensASide) (published ones have 16 to 64)")
    }
    let width = try file.integer("projection_dim", in: 1...1_000_000, default: 2048)
    guard width == self.text.hiddenSize else {
      throw file.wrong(
        "projection_dim",
        "is \(width); it must be the language model's width (text_config.hidden_size, \(self.text.hiddenSize))")
    }
    imageTokenId = try file.integer("image_token_index", in: 0...(self.text.vocabularySize - 1), default: 256_000)
  }

  /// A lying file stops here, before the text of so many tokens is made.
  private static let mostTokensASide = 512

  private static let kinds: [String: DecoderConfiguration.Kind] = ["gemma": .gemma, "gemma2": .gemma2]
}

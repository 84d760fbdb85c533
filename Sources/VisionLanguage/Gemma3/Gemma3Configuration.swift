/// config.json of a Gemma 3 checkpoint that sees images. What a file leaves out, and published ones leave out nearly all, is the
/// default of transformers' classes.
struct Gemma3Configuration: Sendable, Equatable {
  /// A plain rotary embedding.
  struct Rotary: Sendable, Equatable {
    let theta: Double
    /// What frequencies are divided by.
    let factor: Float
  }

  let text: DecoderConfiguration
  /// Of the layers that see everything, and of those with a window: tables 0 and 1.
  let rotary: [Rotary]
  let vision: PatchTowerConfiguration
  /// Visual tokens along the side of the image.
  let tokensASide: Int
  /// The key of config.json that holds the image token's id, and the id.
  let imageToken: (key: String, id: Int)

  /// As errors call it.
  static let family = "Gemma 3"

  /// The side of the block of patches whose average becomes one visual token.
  var poolSize: Int { vision.patchesASide / tokensASide }

  /// - Throws: `ConfigurationError` naming the key.
  init(_ file: ConfigurationFile) throws {
    guard let text = try file.object("text_config") else { throw file.wrong("text_config", "is missing") }
    guard let vision = try file.object("vision_config") else {
      throw file.wrong("vision_config", "is missing: this checkpoint is a language model that sees no images")
    }
    // transformers fails on null where it doesn't take it for a default.
    try text.refuseNull(["sliding_window", "sliding_window_pattern", "query_pre_attn_scalar", "head_dim"])
    self.text = try DecoderConfiguration(text, of: file, kind: .gemma3, family: Self.family, ties: true)
    rotary = try Self.rotary(text)
    self.vision = try PatchTowerConfiguration(
      vision, modelTypes: ["siglip_vision_model"], kind: .siglip, family: Self.family)
    let tokens = try file.integer("mm_tokens_per_image", in: 1...1_000_000, default: 256)
    tokensASide = Int(Double(tokens).squareRoot())
    let patches = self.vision.patchesASide
    guard tokensASide * tokensASide == tokens, patches.isMultiple(of: tokensASide) else {
      throw file.wrong(
        "mm_tokens_per_image",
        "is \(tokens); it must be the square of a number that divides the \(patches) patches along a side (vision_config: "
          + "image_size \(self.vision.imageSize), patch_size \(self.vision.patchSize))")
    }
    let key = file.has("image_token_id") && !file.has("image_token_index") ? "image_token_id" : "image_token_index"
    imageToken = (key, try file.integer(key, in: 0...(self.text.vocabularySize - 1), default: 262_144))
  }

  static func == (a: Gemma3Configuration, b: Gemma3Configuration) -> Bool {
    a.text == b.text && a.rotary == b.rotary && a.vision == b.vision && a.tokensASide == b.tokensASide
      && a.imageToken == b.imageToken
  }

  /// Newer files hold a `rope_parameters` for each kind of layer; of older ones `rope_scaling` and `rope_theta` are those of full
  /// layers, and `rope_local_base_freq` is the others' theta.
  private static func rotary(_ text: ConfigurationFile) throws -> [Rotary] {
    let (full, windowed) = ("full_attention", "sliding_attention")
    let parameters = try text.object("rope_parameters")
    for key in parameters?.keys ?? [] where ![full, windowed].contains(key) {
      throw text.wrong("rope_parameters", "holds \"\(key)\"; \(family) has \"\(full)\" and \"\(windowed)\" there")
    }
    func one(_ parts: [ConfigurationFile?], theta: Double) throws -> Rotary {
      var (theta, type, factor) = (theta, "default", nil as Double?)
      for part in parts.compactMap({ $0 }) {
        for key in ["type", "rope_type"] {
          try DecoderConfiguration.check(part, key, isOneOf: ["linear", "default"], family: family)
        }
        guard try part.double("partial_rotary_factor", in: 0...1, default: 1) == 1 else {
          throw part.wrong("partial_rotary_factor", "is not 1; \(family) rotates all of each head")
        }
        theta = try part.double("rope_theta", in: 1...1e12, default: theta)
        type = try part.string("rope_type") ?? part.string("type") ?? type
        if part.has("factor") { factor = try part.double("factor", in: 1...1e6) }
        guard type == "default" || factor != nil else { throw part.wrong("factor", "is missing; rope_type is linear") }
      }
      return Rotary(theta: theta, factor: type == "default" ? 1 : Float(factor ?? 1))
    }
    // transformers 4 takes `type` for `rope_type`; 5 leaves it unread here, and would scale nothing.
    if let scaling = try text.object("rope_scaling"), !scaling.has("rope_type"),
      try scaling.string("type") ?? "default" != "default"
    {
      throw scaling.wrong("type", "is not read here by transformers 5, though by 4; name the key rope_type")
    }
    return [
      try one(
        [parameters?.object(full), text.object("rope_scaling")],
        theta: text.double("rope_theta", in: 1...1e12, default: DecoderConfiguration.Kind.gemma3.ropeTheta)),
      try one(
        [parameters?.object(windowed)], theta: text.double("rope_local_base_freq", in: 1...1e12, default: 10_000)),
    ]
  }
}

import Foundation

/// config.json of a SmolVLM or Idefics3 checkpoint: the same model under two names. What a file leaves out is the default of
/// transformers' classes.
struct SmolVLMConfiguration: Sendable, Equatable {
  /// Of the vision tower, a SigLIP.
  struct Vision: Sendable, Equatable {
    let hiddenSize: Int
    let intermediateSize: Int
    let numHiddenLayers: Int
    let numAttentionHeads: Int
    let layerNormEps: Double
  }

  let vision: Vision
  /// The side of a patch. - Units: pixels.
  let patchSize: Int
  /// Patches along the side of a view that there are positions for.
  let patchesPerSide: Int
  /// The side of the block of patches that becomes one visual token.
  let scaleFactor: Int
  let imageTokenId: Int

  /// The model types of the vision tower's part.
  private static let visionTypes = ["smolvlm_vision", "smolvlm", "idefics3_vision", "idefics3"]

  /// - Throws: `ConfigurationError` naming the key.
  init(_ file: ConfigurationFile) throws {
    guard let part = try file.object("vision_config") else { throw file.wrong("vision_config", "is missing") }
    if let type = try part.string("model_type"), !Self.visionTypes.contains(type) {
      throw part.wrong("model_type", "is \"\(type)\"; it must be one of \(Self.visionTypes.joined(separator: ", "))")
    }
    let activation = try part.string("hidden_act") ?? "gelu_pytorch_tanh"
    guard activation == "gelu_pytorch_tanh" else {
      throw part.wrong("hidden_act", "is \"\(activation)\"; it must be \"gelu_pytorch_tanh\"")
    }
    vision = Vision(
      hiddenSize: try part.integer("hidden_size", in: 1...1_000_000, default: 1152),
      intermediateSize: try part.integer("intermediate_size", in: 1...1_000_000, default: 3072),
      numHiddenLayers: try part.integer("num_hidden_layers", in: 1...10_000, default: 12),
      numAttentionHeads: try part.integer("num_attention_heads", in: 1...10_000, default: 16),
      layerNormEps: try part.double("layer_norm_eps", in: 0...1, default: 1e-6))
    guard vision.hiddenSize.isMultiple(of: vision.numAttentionHeads) else {
      throw part.wrong(
        "hidden_size",
        "is \(vision.hiddenSize); it must be a multiple of num_attention_heads (\(vision.numAttentionHeads))")
    }
    _ = try part.integer("num_channels", in: 3...3, default: 3)
    patchSize = try Self.side(part, "patch_size", default: 32)
    let imageSize = try Self.side(part, "image_size", default: 224)
    patchesPerSide = imageSize / patchSize
    scaleFactor = try file.integer("scale_factor", in: 1...64, default: 2)
    guard patchesPerSide >= 1, patchesPerSide.isMultiple(of: scaleFactor) else {
      throw part.wrong(
        "image_size",
        "is \(imageSize), which is \(patchesPerSide) patches of patch_size \(patchSize) along a side; it must be a multiple of "
          + "scale_factor (\(scaleFactor)) of them")
    }
    imageTokenId = try file.integer("image_token_id", in: 0...Int(Int32.max), default: 128_257)
  }

  /// A side in pixels, given as a number or as height and width.
  private static func side(_ part: ConfigurationFile, _ key: String, default fallback: Int) throws -> Int {
    let sides = try part.numbers(key, in: 1...8192) ?? [Double(fallback)]
    guard let side = sides.first, sides.count <= 2, sides.allSatisfy({ $0 == side }), let whole = Int(exactly: side)
    else {
      throw part.wrong(key, "is \(sides); it must be a whole number of pixels, the same for height and width")
    }
    return whole
  }
}

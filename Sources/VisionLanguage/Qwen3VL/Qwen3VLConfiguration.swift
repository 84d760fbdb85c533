/// config.json of a dense Qwen3-VL checkpoint. What a file leaves out is the default of transformers' classes.
struct Qwen3VLConfiguration: Sendable, Equatable {
  /// As errors call it.
  static let family = "Qwen3-VL"

  let text: DecoderConfiguration
  let ropeTheta: Double
  /// The temporal, the vertical and the horizontal section of the interleaved frequencies; they add up to half of D.
  let mropeSection: [Int]
  let vision: Vision
  let imageTokenId: Int

  /// `vision_config`.
  struct Vision: Sendable, Equatable {
    let depth: Int
    let hiddenSize: Int
    let intermediateSize: Int
    let numHeads: Int
    /// - Units: pixels.
    let patchSize: Int
    let temporalPatchSize: Int
    /// The side of the block of patches that becomes one visual token.
    let spatialMergeSize: Int
    /// Rows of the position table, and the side of the square that they are.
    let numPositionEmbeddings: Int
    let positionSide: Int
    /// The layers whose output is added to the decoder's stream too, ascending: the j-th behind decoder layer j (DeepStack).
    let deepstackVisualIndexes: [Int]

    var headDim: Int { hiddenSize / numHeads }
    /// Numbers of one flattened patch.
    var patchWidth: Int { 3 * temporalPatchSize * patchSize * patchSize }
    /// Width of a merged block of patches.
    var mergedWidth: Int { hiddenSize * spatialMergeSize * spatialMergeSize }
  }

  private static let ropeTheta = 500_000.0

  /// - Throws: `ConfigurationError` naming the key.
  init(_ file: ConfigurationFile) throws {
    guard let text = try file.object("text_config") else { throw file.wrong("text_config", "is missing") }
    guard let vision = try file.object("vision_config") else { throw file.wrong("vision_config", "is missing") }
    var kind = DecoderConfiguration.Kind.qwen3
    (kind.modelTypes, kind.ropeTheta, kind.heads) = (["qwen3_vl_text"], Self.ropeTheta, 32)
    // Null stands for as many as heads.
    kind.keyValueHeads = text.holds("num_key_value_heads") ? nil : 32
    self.text = try DecoderConfiguration(text, of: file, kind: kind, family: Self.family)
    let rope = try DecoderConfiguration.rope(
      text, kinds: ["default"], theta: Self.ropeTheta, family: Self.family)
    ropeTheta = rope.theta
    mropeSection = try Self.sections(rope.settings, of: text, half: self.text.headDim / 2)
    self.vision = try Vision(vision, text: self.text)
    imageTokenId = try file.integer("image_token_id", in: 0...(self.text.vocabularySize - 1), default: 151_655)
  }

  /// - Parameter settings: `rope_scaling` or `rope_parameters`, where there is one.
  private static func sections(
    _ settings: ConfigurationFile?, of text: ConfigurationFile, half: Int
  ) throws -> [Int] {
    if let settings, !(try settings.boolean("mrope_interleaved", default: true)) {
      throw settings.wrong("mrope_interleaved", "is false; \(family) interleaves the sections, whatever the file says")
    }
    let sections = try settings?.integers("mrope_section", in: 0...10_000) ?? [24, 20, 20]
    guard sections.count == 3, sections.reduce(0, +) == half else {
      throw (settings ?? text).wrong(
        "mrope_section",
        "is \(sections)\(settings?.has("mrope_section") == true ? "" : " by default"); it must be 3 whole numbers that add up to "
          + "half the head dimension, \(half)")
    }
    return sections
  }
}

extension Qwen3VLConfiguration.Vision {
  private static let family = Qwen3VLConfiguration.family

  /// - Throws: `ConfigurationError` naming the key.
  init(_ vision: ConfigurationFile, text: DecoderConfiguration) throws {
    try DecoderConfiguration.check(
      vision, "model_type", isOneOf: ["qwen3_vl_vision", "qwen3_vl"], family: Self.family)
    try DecoderConfiguration.check(
      vision, "hidden_act", isOneOf: ["gelu_pytorch_tanh", "gelu_tanh"], family: Self.family)
    try Qwen2VLConfiguration.checkVisionRope(vision, family: Self.family)
    let size = 1...1_000_000
    depth = try vision.integer("depth", in: 1...10_000, default: 27)
    hiddenSize = try vision.integer("hidden_size", in: size, default: 1152)
    intermediateSize = try vision.integer("intermediate_size", in: size, default: 4304)
    numHeads = try vision.integer("num_heads", in: 1...10_000, default: 16)
    patchSize = try vision.integer("patch_size", in: 1...1024, default: 16)
    temporalPatchSize = try vision.integer("temporal_patch_size", in: 1...64, default: 2)
    spatialMergeSize = try vision.integer("spatial_merge_size", in: 1...64, default: 2)
    numPositionEmbeddings = try vision.integer("num_position_embeddings", in: 1...100_000_000, default: 2304)
    positionSide = Int(Double(numPositionEmbeddings).squareRoot())
    guard positionSide * positionSide == numPositionEmbeddings else {
      throw vision.wrong(
        "num_position_embeddings", "is \(numPositionEmbeddings); it must be a square, as 2304 is of 48")
    }
    guard try vision.integer("in_channels", in: 1...1024, default: 3) == 3 else {
      throw vision.wrong("in_channels", "is not 3: images are red, green and blue")
    }
    guard hiddenSize.isMultiple(of: 4 * numHeads) else {
      throw vision.wrong("hidden_size", "is \(hiddenSize); it must be num_heads (\(numHeads)) times a multiple of 4")
    }
    let share = hiddenSize / numHeads
    let given = try vision.integer("head_dim", in: size, default: share)
    guard given == share else {
      throw vision.wrong("head_dim", "is \(given); it must be hidden_size / num_heads, \(share)")
    }
    let connected = try vision.integer("out_hidden_size", in: size, default: 3584)
    guard connected == text.hiddenSize else {
      throw vision.wrong(
        "out_hidden_size", "is \(connected); it must equal the decoder's hidden_size, \(text.hiddenSize)")
    }
    let layers = try vision.integers("deepstack_visual_indexes", in: 0...(depth - 1)) ?? [8, 16, 24]
    guard zip(layers, layers.dropFirst()).allSatisfy({ $0 < $1 }), (layers.last ?? 0) < depth else {
      throw vision.wrong(
        "deepstack_visual_indexes", "is \(layers); it must ascend, and hold layers of the tower (depth \(depth))")
    }
    guard layers.count <= text.numHiddenLayers else {
      throw vision.wrong(
        "deepstack_visual_indexes",
        "holds \(layers.count) layers; the decoder has only \(text.numHiddenLayers) (num_hidden_layers) to add them behind"
      )
    }
    deepstackVisualIndexes = layers
  }
}

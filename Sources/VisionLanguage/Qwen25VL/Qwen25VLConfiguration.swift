import Foundation

/// config.json of a Qwen2.5-VL checkpoint, in the flat layout of the published models and in the nested `text_config` one that
/// transformers 5 writes. What a file leaves out is the default of transformers' classes.
struct Qwen25VLConfiguration: Sendable, Equatable {
  static let family = "Qwen2.5-VL"

  let decoder: QwenDecoderConfiguration
  let tower: QwenTowerConfiguration

  /// - Throws: `ConfigurationError` naming the key.
  init(_ file: ConfigurationFile) throws {
    let text = try file.object("text_config") ?? file
    // Null key/value heads stand for as many as heads.
    let kind = DecoderConfiguration.Kind(
      modelTypes: ["qwen2_5_vl_text", "qwen2_5_vl"], rmsNormEps: 1e-5, takesHeadDim: false, hasQueryKeyValueBias: true
    ).leavingOut(
      hiddenSize: 8192, intermediateSize: 29_568, layers: 80, heads: 64,
      keyValueHeads: text.holds("num_key_value_heads") ? nil : 8, vocabularySize: 152_064)
    decoder = try QwenDecoderConfiguration(file, kind: kind, family: Self.family)
    guard let vision = try file.object("vision_config") else { throw file.wrong("vision_config", "is missing") }
    tower = try Self.tower(vision, outputSize: decoder.text.hiddenSize)
  }

  private static func tower(_ vision: ConfigurationFile, outputSize: Int) throws -> QwenTowerConfiguration {
    try DecoderConfiguration.check(
      vision, "model_type", isOneOf: ["qwen2_5_vl_vision", "qwen2_5_vl"], family: family)
    try DecoderConfiguration.check(vision, "hidden_act", isOneOf: ["silu"], family: family)
    try Qwen2VLConfiguration.checkVisionRope(vision, family: family)
    try vision.refuseNull(["fullatt_block_indexes", "window_size"])
    // The class's default, 3584, is no published tower's: the key is required.
    let width = try vision.integer("hidden_size", in: 1...1_000_000)
    let heads = try vision.integer("num_heads", in: 1...10_000, default: 16)
    guard width % heads == 0, (width / heads) % 4 == 0 else {
      throw vision.wrong("hidden_size", "is \(width); it must be num_heads (\(heads)) times a multiple of 4")
    }
    let headDim = try vision.integer("head_dim", in: 1...1_000_000, default: width / heads)
    guard headDim == width / heads else {
      throw vision.wrong("head_dim", "is \(headDim); it must be hidden_size / num_heads, \(width / heads)")
    }
    for key in ["in_channels", "in_chans"] { _ = try vision.integer(key, in: 3...3, default: 3) }
    let joined = try vision.integer("out_hidden_size", in: 1...1_000_000, default: 3584)
    guard joined == outputSize else {
      throw vision.wrong(
        "out_hidden_size",
        "\(vision.has("out_hidden_size") ? "is" : "is missing, which means") \(joined); it must equal the decoder's hidden_size, "
          + "\(outputSize)")
    }
    let patch = try vision.integer("patch_size", in: 1...1024, default: 14)
    let merge = try vision.integer("spatial_merge_size", in: 1...64, default: 2)
    let window = try vision.integer("window_size", in: 1...1_000_000, default: 112)
    guard window / merge / patch >= 1 else {
      throw vision.wrong(
        "window_size",
        "is \(window); a window must hold a visual token: at least \(merge * patch), spatial_merge_size times patch_size"
      )
    }
    let full = try vision.integers("fullatt_block_indexes", in: 0...10_000) ?? [7, 15, 23, 31]
    return QwenTowerConfiguration(
      depth: try vision.integer("depth", in: 1...10_000, default: 32), width: width, heads: heads,
      intermediateSize: try vision.integer("intermediate_size", in: 1...1_000_000, default: 3420),
      outputSize: outputSize, patchSize: patch,
      temporalPatchSize: try vision.integer("temporal_patch_size", in: 1...64, default: 2), spatialMergeSize: merge,
      norm: .rms, isGated: true,
      windows: AttentionWindows(side: window / merge / patch, fullLayers: Set(full)))
  }
}

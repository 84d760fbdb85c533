/// config.json of a LLaVA-1.5, LLaVA-NeXT or LLaVA-OneVision checkpoint. What a file leaves out is the default of transformers'
/// classes.
struct LlavaConfiguration: Sendable, Equatable {
  enum Family: String, Sendable, CaseIterable {
    case llavaOnevision = "llava_onevision"
    case llavaNext = "llava_next"
    case llava
  }

  let family: Family
  let text: DecoderConfiguration
  let ropeTheta: Double
  let vision: PatchTowerConfiguration
  /// How many of the tower's layers are run; the output of the last of them is taken, without the final norm.
  let visionLayers: Int
  let hasProjectorBias: Bool
  let imageTokenId: Int
  /// Which of its two names the file has.
  let imageTokenKey: String
  /// The canvases that an image may become; empty for LLaVA-1.5.
  let pinpoints: [LlavaRaster.Size]
  /// A raster of more patches than those of about so many tiles is sampled (N of `anyres_max_N`); nil for never.
  let mostTiles: Int?

  /// Of folders that LLaVA's own programs write.
  static let otherFormat =
    "this is LLaVA's own format; take the folder of the same model in transformers' (llava-hf/…-hf on the Hub), or convert it with "
    + "the convert_…_weights_to_hf.py of transformers' models/llava, llava_next or llava_onevision"

  /// Rows of the tower before a view's patches.
  var classTokens: Int { vision.hasClassToken ? 1 : 0 }

  /// - Throws: `ConfigurationError` naming the key.
  init(_ file: ConfigurationFile) throws {
    let names = Family.allCases.map(\.rawValue).joined(separator: ", ")
    guard let family = try Family(rawValue: file.string("model_type") ?? "") else {
      throw file.wrong("model_type", "must be one of \(names)")
    }
    guard !file.has("mm_vision_tower") else { throw file.wrong("mm_vision_tower", "is present: \(Self.otherFormat)") }
    self.family = family
    let text = try file.object("text_config") ?? file.empty("text_config")
    let decoder = try Self.decoder(text, family)
    self.text = try DecoderConfiguration(
      text, of: file, kind: decoder, family: family.rawValue, textTies: family != .llavaNext)
    ropeTheta =
      try DecoderConfiguration.rope(text, kinds: ["default"], theta: decoder.ropeTheta, family: family.rawValue).theta

    let vision = try file.object("vision_config")
    self.vision = try Self.tower(vision ?? file.empty("vision_config"), family, isGiven: vision != nil)
    visionLayers = try Self.visionLayers(file, family, layers: self.vision.numHiddenLayers)
    let strategy = try file.string("vision_feature_select_strategy") ?? (family == .llavaOnevision ? "full" : "default")
    let known = self.vision.hasClassToken ? "default" : "full"
    guard strategy == known else {
      throw file.wrong(
        "vision_feature_select_strategy",
        "is \"\(strategy)\"; with a \(self.vision.hasClassToken ? "CLIP" : "SigLIP") tower it must be \"\(known)\"")
    }
    try DecoderConfiguration.check(file, "projector_hidden_act", isOneOf: ["gelu"], family: family.rawValue)
    hasProjectorBias = try file.boolean("multimodal_projector_bias", default: true)
    imageTokenKey = file.has("image_token_index") ? "image_token_index" : "image_token_id"
    imageTokenId = try file.integer(
      imageTokenKey, in: 0...(self.text.vocabularySize - 1), default: family == .llavaOnevision ? 151_646 : 32_000)
    pinpoints = family == .llava ? [] : try Self.pinpoints(file, for: family, tile: self.vision.imageSize)
    mostTiles = family == .llavaOnevision ? try Self.mostTiles(file) : nil
  }

  private static func mostTiles(_ file: ConfigurationFile) throws -> Int {
    let (key, start) = ("vision_aspect_ratio", "anyres_max_")
    let ratio = try file.string(key) ?? "anyres_max_9"
    guard ratio.hasPrefix(start), let most = Int(ratio.dropFirst(start.count)), (1...10_000).contains(most) else {
      throw file.wrong(key, "is \"\(ratio)\"; it must be \(start)N with a number N of tiles")
    }
    return most
  }
}

// MARK: - Tower and decoder

extension LlavaConfiguration {
  /// The decoders of transformers that these families have been published with; sizes that a file leaves out are their classes'.
  private static func decoder(_ text: ConfigurationFile, _ family: Family) throws -> DecoderConfiguration.Kind {
    let kinds: [DecoderConfiguration.Kind] = [
      .llama.leavingOut(hiddenSize: 4096, intermediateSize: 11_008, layers: 32, heads: 32, vocabularySize: 32_000),
      .mistral.leavingOut(
        hiddenSize: 4096, intermediateSize: 14_336, layers: 32, heads: 32, keyValueHeads: 8, vocabularySize: 32_000),
      .qwen2.leavingOut(
        hiddenSize: 4096, intermediateSize: 22_016, layers: 32, heads: 32, keyValueHeads: 32, vocabularySize: 151_936),
    ]
    let type = try text.string("model_type") ?? (family == .llavaOnevision ? "qwen2" : "llama")
    guard let kind = kinds.first(where: { $0.modelTypes.contains(type) }) else {
      throw text.wrong(
        "model_type", "is \"\(type)\"; \(family.rawValue) has \(kinds.map { $0.modelTypes[0] }.joined(separator: ", "))"
      )
    }
    return kind
  }

  /// - Parameter isGiven: whether the file has a `vision_config`; without, transformers takes the family's published tower.
  private static func tower(
    _ vision: ConfigurationFile, _ family: Family, isGiven: Bool
  ) throws -> PatchTowerConfiguration {
    let types = ["clip_vision_model", "siglip_vision_model"]
    let type = try vision.string("model_type") ?? types[family == .llavaOnevision ? 1 : 0]
    guard types.contains(type) else {
      throw vision.wrong("model_type", "is \"\(type)\"; \(family.rawValue) has \(types.joined(separator: ", "))")
    }
    var kind = type == types[0] ? PatchTowerConfiguration.Kind.clip : .siglip
    if !isGiven {
      (kind.hiddenSize, kind.intermediateSize, kind.numHiddenLayers) =
        kind.hasClassToken ? (1024, 4096, 24) : (1152, 4304, 26)
      (kind.numAttentionHeads, kind.patchSize, kind.imageSize) = (16, 14, kind.hasClassToken ? 336 : 384)
    }
    return try PatchTowerConfiguration(vision, modelTypes: [type], kind: kind, family: family.rawValue)
  }

  /// Of `vision_feature_layer`, an index into the tower's hidden states: its first rows, then the output of each layer.
  private static func visionLayers(_ file: ConfigurationFile, _ family: Family, layers: Int) throws -> Int {
    let key = "vision_feature_layer"
    let range = -layers...layers
    var index = family == .llavaOnevision ? -1 : -2
    if let list = try file.value(of: key)?.elements.map({ _ in try file.integers(key, in: range) ?? [] }) {
      guard list.count == 1 else {
        throw file.wrong(key, "is \(list); only one layer is supported, whose output the projector takes")
      }
      index = list[0]
    } else {
      index = try file.integer(key, in: range, default: index)
    }
    let count = index < 0 ? layers + 1 + index : index
    guard count > 0 else {
      throw file.wrong(key, "is \(index); it must be the output of a layer, -\(layers) to \(layers)")
    }
    return count
  }

  /// `image_grid_pinpoints`, of config.json or of the image processor's file.
  ///
  /// - Parameter tile: the side of a tile. - Units: pixels.
  static func pinpoints(_ file: ConfigurationFile, for family: Family, tile: Int) throws -> [LlavaRaster.Size] {
    let key = "image_grid_pinpoints"
    var points: [[Int]] =
      family == .llavaNext
      ? [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
      : (1...6).flatMap { rows in (1...6).map { [384 * rows, 384 * $0] } }
    if let value = file.value(of: key) {
      points = (value.elements ?? []).map { ($0.elements ?? []).compactMap(\.integer) }
    }
    let isSound = points.allSatisfy { point in
      point.count == 2 && point.allSatisfy { (tile...100 * tile).contains($0) && $0.isMultiple(of: tile) }
    }
    guard isSound, !points.isEmpty, points.count <= 10_000 else {
      throw file.wrong(
        key,
        "must be a list of [height, width], of 1 to 100 times the tower's image_size (\(tile)); it is "
          + (file.value(of: key).map { "\($0)" } ?? "left out, which means \(points)"))
    }
    return points.map { LlavaRaster.Size(width: $0[1], height: $0[0]) }
  }
}

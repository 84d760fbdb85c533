import Kernels

/// Sizes of a vision tower over square views: SigLIP, CLIP, InternViT.
struct PatchTowerConfiguration: Sendable, Equatable {
  /// What tells the towers of `vision_config` apart, and what a file may leave out.
  struct Kind: Sendable, Equatable {
    var hiddenSize = 768
    var intermediateSize = 3072
    var numHiddenLayers = 12
    var numAttentionHeads = 12
    var imageSize = 224
    var patchSize = 16
    var layerNormEps = 1e-6
    var activation = Activation.tanhGELU
    /// Its names in files.
    var activations = ["gelu_pytorch_tanh", "gelu_tanh"]
    var hasClassToken = false

    /// `siglip_vision_model` of transformers.
    static let siglip = Kind()
    /// `idefics3_vision` and `smolvlm_vision`.
    static let idefics3 = Kind(hiddenSize: 1152, numAttentionHeads: 16, patchSize: 32)
    /// `clip_vision_model`.
    static let clip = Kind(
      patchSize: 32, layerNormEps: 1e-5, activation: .quickGELU, activations: ["quick_gelu"], hasClassToken: true)
  }

  var hiddenSize: Int
  var intermediateSize: Int
  var numHiddenLayers: Int
  var numAttentionHeads: Int
  /// The side of an image or tile. - Units: pixels.
  var imageSize: Int
  /// - Units: pixels.
  var patchSize: Int
  var layerNormEps: Double
  var activation: Activation
  /// Whether a row that stands for no patch comes first in each view.
  var hasClassToken: Bool

  /// Patches along a side of an image or tile; pixels beyond them are dropped.
  var patchesASide: Int { imageSize / patchSize }
  /// Numbers of one flattened patch.
  var patchWidth: Int { 3 * patchSize * patchSize }
  /// Rows of a view.
  var rowsInView: Int { patchesASide * patchesASide + (hasClassToken ? 1 : 0) }
  var shape: AttentionShape {
    AttentionShape(
      heads: numAttentionHeads, keyValueHeads: numAttentionHeads, headDim: hiddenSize / numAttentionHeads)
  }
}

extension PatchTowerConfiguration {
  /// - Throws: `ConfigurationError` naming the key.
  init(_ vision: ConfigurationFile, modelTypes: [String], kind: Kind, family: String) throws {
    try DecoderConfiguration.check(vision, "model_type", isOneOf: modelTypes, family: family)
    try DecoderConfiguration.check(vision, "hidden_act", isOneOf: kind.activations, family: family)
    (activation, hasClassToken) = (kind.activation, kind.hasClassToken)
    let size = 1...1_000_000
    hiddenSize = try vision.integer("hidden_size", in: size, default: kind.hiddenSize)
    intermediateSize = try vision.integer("intermediate_size", in: size, default: kind.intermediateSize)
    numHiddenLayers = try vision.integer("num_hidden_layers", in: 1...10_000, default: kind.numHiddenLayers)
    numAttentionHeads = try vision.integer("num_attention_heads", in: 1...10_000, default: kind.numAttentionHeads)
    imageSize = try vision.side("image_size", in: 1...100_000, default: kind.imageSize)
    patchSize = try vision.side("patch_size", in: 1...1024, default: kind.patchSize)
    layerNormEps = try vision.double("layer_norm_eps", in: 0...1, default: kind.layerNormEps)
    guard try vision.integer("num_channels", in: 1...1024, default: 3) == 3 else {
      throw vision.wrong("num_channels", "is not 3: images are red, green and blue")
    }
    guard hiddenSize % numAttentionHeads == 0 else {
      throw vision.wrong(
        "hidden_size", "is \(hiddenSize); it must be a multiple of num_attention_heads (\(numAttentionHeads))")
    }
    guard patchSize <= imageSize else {
      throw vision.wrong("patch_size", "is \(patchSize); it must be at most image_size (\(imageSize))")
    }
  }
}

extension ConfigurationFile {
  /// The side of a square: a number, or a list of two equal ones (height and width).
  fileprivate func side(_ key: String, in range: ClosedRange<Int>, default fallback: Int) throws -> Int {
    guard value(of: key)?.elements != nil, let sides = try integers(key, in: range) else {
      return try integer(key, in: range, default: fallback)
    }
    guard sides.count == 2, sides[0] == sides[1] else {
      throw wrong(key, "is \(sides); it must be a number, or two equal ones: views and patches are square")
    }
    return sides[0]
  }
}

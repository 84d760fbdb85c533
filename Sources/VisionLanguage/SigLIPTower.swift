import Kernels
import Transformer

/// `vision_config` of a SigLIP tower.
struct SigLIPConfiguration: Sendable, Equatable {
  /// What a file may leave out.
  struct Defaults: Sendable {
    var hiddenSize = 768
    var intermediateSize = 3072
    var numHiddenLayers = 12
    var numAttentionHeads = 12
    var imageSize = 224
    var patchSize = 16

    /// `siglip_vision_model` of transformers.
    static let siglip = Defaults()
    /// `idefics3_vision` and `smolvlm_vision`.
    static let idefics3 = Defaults(hiddenSize: 1152, numAttentionHeads: 16, patchSize: 32)
  }

  let hiddenSize: Int
  let intermediateSize: Int
  let numHiddenLayers: Int
  let numAttentionHeads: Int
  /// The side of an image or tile. - Units: pixels.
  let imageSize: Int
  /// - Units: pixels.
  let patchSize: Int
  let layerNormEps: Double

  /// Patches along a side of an image or tile; pixels beyond them are dropped.
  var patchesASide: Int { imageSize / patchSize }
  /// Numbers of one flattened patch.
  var patchWidth: Int { 3 * patchSize * patchSize }

  /// - Throws: `ConfigurationError` naming the key.
  init(_ vision: ConfigurationFile, modelTypes: [String], defaults: Defaults, family: String) throws {
    try DecoderConfiguration.check(vision, "model_type", isOneOf: modelTypes, family: family)
    try DecoderConfiguration.check(
      vision, "hidden_act", isOneOf: ["gelu_pytorch_tanh", "gelu_tanh"], family: family)
    let size = 1...1_000_000
    hiddenSize = try vision.integer("hidden_size", in: size, default: defaults.hiddenSize)
    intermediateSize = try vision.integer("intermediate_size", in: size, default: defaults.intermediateSize)
    numHiddenLayers = try vision.integer("num_hidden_layers", in: 1...10_000, default: defaults.numHiddenLayers)
    numAttentionHeads = try vision.integer("num_attention_heads", in: 1...10_000, default: defaults.numAttentionHeads)
    imageSize = try vision.integer("image_size", in: 1...100_000, default: defaults.imageSize)
    patchSize = try vision.integer("patch_size", in: 1...1024, default: defaults.patchSize)
    layerNormEps = try vision.double("layer_norm_eps", in: 0...1, default: 1e-6)
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

/// A SigLIP tower (Zhai et al. 2023, arXiv 2303.15343): patches become rows of a linear layer, learned positions are
/// added, and the patches of a view see each other.
final class SigLIPTower {
  let configuration: SigLIPConfiguration
  let encoder: EncoderStack
  private let patchEmbedding: Linear
  private let positions: PositionEmbedding
  /// nil if the family leaves it out.
  private let finalNorm: Norm?
  private let backend: any Backend
  private let patches = ScratchTensor()
  private let hidden = ScratchTensor()

  /// Takes the tensors out of a loader, whose `finish` says what is wrong with them.
  ///
  /// - Parameter prefix: what the names of the tower's tensors begin with in transformers 5.
  init(
    _ loader: WeightLoader, _ configuration: SigLIPConfiguration, prefix: String, hasFinalNorm: Bool,
    backend: any Backend
  ) {
    self.configuration = configuration
    self.backend = backend
    let (width, side) = (configuration.hiddenSize, configuration.patchSize)
    patchEmbedding = loader.linear(
      prefix + "embeddings.patch_embedding", outputs: width, inputs: configuration.patchWidth,
      fileShape: [width, 3, side, side])
    positions = .learned(
      loader.matrix(
        prefix + "embeddings.position_embedding.weight",
        rows: configuration.patchesASide * configuration.patchesASide, columns: width))
    encoder = EncoderStack(
      layers: (0..<configuration.numHiddenLayers).map {
        Self.layer(loader, prefix + "encoder.layers.\($0).", configuration)
      }, hiddenSize: width, backend: backend)
    finalNorm =
      hasFinalNorm
      ? loader.norm(.layer, prefix + "post_layernorm", count: width, eps: configuration.layerNormEps) : nil
  }

  private static func layer(
    _ loader: WeightLoader, _ name: String, _ configuration: SigLIPConfiguration
  ) -> TransformerLayer {
    let (width, inner, eps) = (configuration.hiddenSize, configuration.intermediateSize, configuration.layerNormEps)
    func projection(_ part: String) -> Linear {
      loader.linear(name + "self_attn." + part, outputs: width, inputs: width)
    }
    return TransformerLayer(
      inputNorm: loader.norm(.layer, name + "layer_norm1", count: width, eps: eps),
      attention: Attention(
        query: projection("q_proj"), key: projection("k_proj"), value: projection("v_proj"),
        output: projection("out_proj"),
        shape: AttentionShape(
          heads: configuration.numAttentionHeads, keyValueHeads: configuration.numAttentionHeads,
          headDim: width / configuration.numAttentionHeads), rotary: nil),
      feedForwardNorm: loader.norm(.layer, name + "layer_norm2", count: width, eps: eps),
      feedForward: FeedForward(
        up: loader.linear(name + "mlp.fc1", outputs: inner, inputs: width),
        down: loader.linear(name + "mlp.fc2", outputs: width, inputs: inner), activation: .tanhGELU))
  }

  /// The features of full views, each of which sees only itself.
  ///
  /// - Shape: the result [patches, C], which the next call may overwrite.
  /// - Throws: what the backend and a tap throw.
  func features(of batch: PatchBatch, taps: Taps = Taps()) throws -> Tensor {
    let (rows, width) = (batch.grids.reduce(0) { $0 + $1.count }, configuration.hiddenSize)
    let input = patches.reserving(rows: rows, columns: configuration.patchWidth, on: backend)
    backend.write(batch.pixelValues, to: input)
    let stream = hidden.reserving(rows: rows, columns: width, on: backend)
    try backend.withOperand(input) { try backend.apply(patchEmbedding, to: $0, into: stream, accumulate: false) }
    let views = batch.grids.reduce(into: [Range<Int>]()) { views, grid in
      let start = views.last?.upperBound ?? 0
      views.append(start..<start + grid.count)
    }
    let places = batch.grids.flatMap { grid in
      grid.rasterOrder.map {
        PositionEmbedding.Place(row: $0.row, column: $0.column, rows: grid.rows, columns: grid.columns)
      }
    }
    positions.add(to: stream, places: places, scratch: patches, on: backend)
    try encoder.forward(stream, blocks: [views], taps: taps)
    if let finalNorm { backend.normalize(stream, finalNorm, groups: 1, into: stream) }
    return stream
  }
}

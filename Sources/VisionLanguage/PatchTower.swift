import ImageInput
import Kernels
import Transformer

/// A vision tower over square views (ViT, Dosovitskiy et al. 2021, arXiv 2010.11929): patches become rows of a linear layer,
/// learned positions are added, and the rows of a view see each other.
final class PatchTower {
  /// A tower's tensors. What is nil is left out.
  struct Weights {
    var patchEmbedding: Linear
    /// The first row of each view. - Shape: [1, C].
    var classToken: Tensor?
    /// One row for each patch of a view, the class token's before them. - Shape: [rows of a view, C].
    var positions: Tensor
    /// Before the first layer.
    var inputNorm: Norm?
    var layers: [TransformerLayer]
    /// Behind the last layer.
    var finalNorm: Norm?
  }

  let configuration: PatchTowerConfiguration
  let encoder: EncoderStack
  private let weights: Weights
  private let positions: PositionEmbedding
  private let backend: any Backend
  private let patches = ScratchTensor()
  private let embedded = ScratchTensor()
  private let hidden = ScratchTensor()

  init(_ configuration: PatchTowerConfiguration, _ weights: Weights, backend: any Backend) {
    self.configuration = configuration
    self.weights = weights
    self.backend = backend
    positions = .learned(weights.positions)
    encoder = EncoderStack(layers: weights.layers, hiddenSize: configuration.hiddenSize, backend: backend)
  }

  /// The features of full views, each of which sees only itself; class tokens are left out.
  ///
  /// - Shape: the result [patches, C], which the next call may overwrite.
  /// - Throws: what the backend and a tap throw.
  func features(of batch: PatchBatch, taps: Taps = Taps()) throws -> Tensor {
    let (count, width) = (batch.grids.reduce(0) { $0 + $1.count }, configuration.hiddenSize)
    let input = patches.reserving(rows: count, columns: configuration.patchWidth, on: backend)
    backend.write(batch.pixelValues, to: input)
    let rows = embedded.reserving(rows: count, columns: width, on: backend)
    try backend.withOperand(input) {
      try backend.apply(weights.patchEmbedding, to: $0, into: rows, accumulate: false)
    }
    let first = weights.classToken == nil ? 0 : 1
    let views = batch.grids.reduce(into: [Range<Int>]()) { views, grid in
      let start = views.last?.upperBound ?? 0
      views.append(start..<start + first + grid.count)
    }
    let stream = first == 0 ? rows : withClassTokens(rows, views)
    // View by view: the scratch takes one view's positions.
    for (view, grid) in zip(views, batch.grids) {
      let places =
        [PositionEmbedding.Place?](repeating: nil, count: first)
        + grid.rasterOrder.map {
          PositionEmbedding.Place(row: $0.row, column: $0.column, rows: grid.rows, columns: grid.columns)
        }
      positions.add(to: stream.rows(view), places: places, scratch: patches, on: backend)
    }
    if let norm = weights.inputNorm { backend.normalize(stream, norm, groups: 1, into: stream) }
    try encoder.forward(stream, blocks: [views], taps: taps)
    if let norm = weights.finalNorm { backend.normalize(stream, norm, groups: 1, into: stream) }
    guard first == 1 else { return stream }
    for (index, view) in views.enumerated() {
      let target = view.lowerBound - index
      backend.copy(
        stream.rows(view.lowerBound + 1..<view.upperBound), to: rows.rows(target..<target + view.count - 1))
    }
    return rows
  }

  /// The rows of each view behind its class token.
  private func withClassTokens(_ rows: Tensor, _ views: [Range<Int>]) -> Tensor {
    let stream = hidden.reserving(rows: views.last?.upperBound ?? 0, columns: rows.columns, on: backend)
    guard let token = weights.classToken else { return stream }
    for (index, view) in views.enumerated() {
      let first = view.lowerBound - index
      backend.copy(token, to: stream.rows(view.lowerBound..<view.lowerBound + 1))
      backend.copy(
        rows.rows(first..<first + view.count - 1), to: stream.rows(view.lowerBound + 1..<view.upperBound))
    }
    return stream
  }
}

// MARK: - SigLIP and CLIP

extension PatchTower {
  /// A SigLIP tower (Zhai et al. 2023, arXiv 2303.15343). Takes the tensors out of a loader, whose `finish` says what is wrong
  /// with them.
  ///
  /// - Parameters:
  ///   - prefix: what the names of the tower's tensors begin with in transformers 5.
  ///   - hasFinalNorm: whether the family applies `post_layernorm`.
  ///   - layers: how many of the layers are run; nil for all.
  static func siglip(
    _ loader: WeightLoader, _ configuration: PatchTowerConfiguration, prefix: String, hasFinalNorm: Bool,
    layers count: Int? = nil, backend: any Backend
  ) -> PatchTower {
    let finalNorm =
      hasFinalNorm
      ? loader.norm(
        .layer, prefix + "post_layernorm", count: configuration.hiddenSize, eps: configuration.layerNormEps) : nil
    return PatchTower(
      configuration,
      Weights(
        patchEmbedding: patchEmbedding(loader, configuration, prefix, hasBias: true),
        positions: positions(loader, configuration, prefix),
        layers: layers(loader, configuration, prefix, count: count ?? configuration.numHiddenLayers),
        finalNorm: finalNorm),
      backend: backend)
  }

  /// A CLIP tower (Radford et al. 2021, arXiv 2103.00020), whose features are the output of a layer, without the final norm.
  ///
  /// - Parameter layers: how many of the layers are run.
  static func clip(
    _ loader: WeightLoader, _ configuration: PatchTowerConfiguration, prefix: String, layers count: Int,
    backend: any Backend
  ) -> PatchTower {
    let width = configuration.hiddenSize
    return PatchTower(
      configuration,
      Weights(
        patchEmbedding: patchEmbedding(loader, configuration, prefix, hasBias: false),
        classToken: loader.row(prefix + "embeddings.class_embedding", count: width),
        positions: positions(loader, configuration, prefix),
        // The published name has this spelling.
        inputNorm: loader.norm(.layer, prefix + "pre_layrnorm", count: width, eps: configuration.layerNormEps),
        layers: layers(loader, configuration, prefix, count: count)), backend: backend)
  }

  private static func patchEmbedding(
    _ loader: WeightLoader, _ configuration: PatchTowerConfiguration, _ prefix: String, hasBias: Bool
  ) -> Linear {
    let side = configuration.patchSize
    return loader.linear(
      prefix + "embeddings.patch_embedding", outputs: configuration.hiddenSize, inputs: configuration.patchWidth,
      hasBias: hasBias, fileShape: [configuration.hiddenSize, 3, side, side])
  }

  private static func positions(
    _ loader: WeightLoader, _ configuration: PatchTowerConfiguration, _ prefix: String
  ) -> Tensor {
    loader.matrix(
      prefix + "embeddings.position_embedding.weight", rows: configuration.rowsInView,
      columns: configuration.hiddenSize)
  }

  private static func layers(
    _ loader: WeightLoader, _ configuration: PatchTowerConfiguration, _ prefix: String, count: Int
  ) -> [TransformerLayer] {
    let (width, inner, eps) = (configuration.hiddenSize, configuration.intermediateSize, configuration.layerNormEps)
    return (0..<count).map { index in
      let name = prefix + "encoder.layers.\(index)."
      func projection(_ part: String) -> Linear {
        loader.linear(name + "self_attn." + part, outputs: width, inputs: width)
      }
      return TransformerLayer(
        inputNorm: loader.norm(.layer, name + "layer_norm1", count: width, eps: eps),
        attention: Attention(
          query: projection("q_proj"), key: projection("k_proj"), value: projection("v_proj"),
          output: projection("out_proj"), shape: configuration.shape, rotary: nil),
        feedForwardNorm: loader.norm(.layer, name + "layer_norm2", count: width, eps: eps),
        feedForward: FeedForward(
          up: loader.linear(name + "mlp.fc1", outputs: inner, inputs: width),
          down: loader.linear(name + "mlp.fc2", outputs: width, inputs: inner), activation: configuration.activation))
    }
  }
}

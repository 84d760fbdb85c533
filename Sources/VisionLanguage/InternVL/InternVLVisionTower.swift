import Kernels
import Transformer

extension PatchTower {
  /// An InternViT tower (Chen et al. 2024, arXiv 2312.14238): class token, layer scale, exact GELU, no final norm. Takes the
  /// tensors out of a loader, whose `finish` says what is wrong with them.
  ///
  /// - Parameters:
  ///   - prefix: what the names of the tower's tensors begin with in transformers 5.
  ///   - hasBias: whether the query, key and value projections have biases.
  static func internViT(
    _ loader: WeightLoader, _ configuration: PatchTowerConfiguration, prefix: String, hasBias: Bool,
    backend: any Backend
  ) -> PatchTower {
    let (width, side, rows) = (configuration.hiddenSize, configuration.patchSize, configuration.rowsInView)
    let embeddings = prefix + "embeddings."
    return PatchTower(
      configuration,
      Weights(
        patchEmbedding: loader.linear(
          embeddings + "patch_embeddings.projection", outputs: width, inputs: configuration.patchWidth,
          fileShape: [width, 3, side, side]),
        classToken: loader.row(embeddings + "cls_token", count: width, fileShape: [1, 1, width]),
        positions: loader.matrix(
          embeddings + "position_embeddings", rows: rows, columns: width, fileShape: [1, rows, width]),
        layers: (0..<configuration.numHiddenLayers).map {
          internViTLayer(loader, configuration, prefix + "encoder.layer.\($0).", hasBias: hasBias)
        }), backend: backend)
  }

  private static func internViTLayer(
    _ loader: WeightLoader, _ configuration: PatchTowerConfiguration, _ name: String, hasBias: Bool
  ) -> TransformerLayer {
    let (width, inner, eps) = (configuration.hiddenSize, configuration.intermediateSize, configuration.layerNormEps)
    func projection(_ part: String, hasBias: Bool) -> Linear {
      loader.linear(name + "attention." + part, outputs: width, inputs: width, hasBias: hasBias)
    }
    return TransformerLayer(
      inputNorm: loader.norm(.layer, name + "layernorm_before", count: width, eps: eps),
      attention: Attention(
        query: projection("q_proj", hasBias: hasBias), key: projection("k_proj", hasBias: hasBias),
        value: projection("v_proj", hasBias: hasBias), output: projection("projection_layer", hasBias: true),
        shape: configuration.shape, rotary: nil),
      attentionScale: loader.row(name + "lambda_1", count: width),
      feedForwardNorm: loader.norm(.layer, name + "layernorm_after", count: width, eps: eps),
      feedForward: FeedForward(
        up: loader.linear(name + "mlp.fc1", outputs: inner, inputs: width),
        down: loader.linear(name + "mlp.fc2", outputs: width, inputs: inner), activation: configuration.activation),
      feedForwardScale: loader.row(name + "lambda_2", count: width))
  }
}

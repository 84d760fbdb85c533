import ImageInput
import Kernels
import Transformer

/// Patches to visual tokens, as `Qwen3VLVisionModel` of transformers: patch embedding, learned positions sampled for the image's
/// grid, encoder layers with rotary embedding, and mergers of neighbouring patches, behind the last layer and behind some others.
final class Qwen3VLVisionTower {
  let configuration: Qwen3VLConfiguration.Vision
  private let backend: any Backend
  private let patchEmbedding: Linear
  private let positions: PositionEmbedding
  private let encoder: EncoderStack
  private let merger: Merger
  /// One for each of `deepstackVisualIndexes`.
  private let deepstackMergers: [Merger]
  private let patches = ScratchTensor()
  private let hidden = ScratchTensor()
  private let normed = ScratchTensor()
  private let inner = ScratchTensor()

  /// Takes the tensors out of a loader, whose `finish` says what is wrong with them.
  ///
  /// - Parameter outputs: the decoder's width.
  init(_ loader: WeightLoader, _ configuration: Qwen3VLConfiguration.Vision, outputs: Int, backend: any Backend) {
    self.configuration = configuration
    self.backend = backend
    let (width, side, root) = (configuration.hiddenSize, configuration.patchSize, "model.visual.")
    patchEmbedding = loader.linear(
      root + "patch_embed.proj", outputs: width, inputs: configuration.patchWidth,
      fileShape: [width, 3, configuration.temporalPatchSize, side, side])
    positions = .interpolated(
      loader.matrix(root + "pos_embed.weight", rows: configuration.numPositionEmbeddings, columns: width),
      side: configuration.positionSide)
    encoder = EncoderStack(
      layers: (0..<configuration.depth).map { Self.layer(loader, root + "blocks.\($0).", configuration) },
      hiddenSize: width, backend: backend)
    merger = Merger(loader, root + "merger.", configuration, outputs: outputs, normsBlocks: false)
    deepstackMergers = configuration.deepstackVisualIndexes.indices.map {
      Merger(loader, root + "deepstack_merger_list.\($0).", configuration, outputs: outputs, normsBlocks: true)
    }
  }

  private static func layer(
    _ loader: WeightLoader, _ name: String, _ configuration: Qwen3VLConfiguration.Vision
  ) -> TransformerLayer {
    let (width, inner) = (configuration.hiddenSize, configuration.intermediateSize)
    let fused = loader.linear(name + "attn.qkv", outputs: 3 * width, inputs: width)
    return TransformerLayer(
      inputNorm: loader.norm(.layer, name + "norm1", count: width, eps: 1e-6),
      attention: Attention(
        query: fused.rows(0..<width), key: fused.rows(width..<2 * width), value: fused.rows(2 * width..<3 * width),
        output: loader.linear(name + "attn.proj", outputs: width, inputs: width),
        shape: AttentionShape(
          heads: configuration.numHeads, keyValueHeads: configuration.numHeads, headDim: configuration.headDim)),
      feedForwardNorm: loader.norm(.layer, name + "norm2", count: width, eps: 1e-6),
      feedForward: FeedForward(
        up: loader.linear(name + "mlp.linear_fc1", outputs: inner, inputs: width),
        down: loader.linear(name + "mlp.linear_fc2", outputs: width, inputs: inner), activation: .tanhGELU))
  }

  /// Makes a visual token of a block of neighbouring patches.
  private struct Merger {
    /// Over each patch, or over the patches of a block together.
    let norm: Norm
    let inner: Linear
    let outer: Linear

    init(
      _ loader: WeightLoader, _ name: String, _ configuration: Qwen3VLConfiguration.Vision, outputs: Int,
      normsBlocks: Bool
    ) {
      let (width, merged) = (configuration.hiddenSize, configuration.mergedWidth)
      norm = loader.norm(.layer, name + "norm", count: normsBlocks ? merged : width, eps: 1e-6)
      inner = loader.linear(name + "linear_fc1", outputs: merged, inputs: merged)
      outer = loader.linear(name + "linear_fc2", outputs: outputs, inputs: merged)
    }
  }

  /// - Shape: batch [patches, patchWidth] of one view, in merge blocks; the features and each addition [V, C].
  /// - Throws: what the backend and a tap throw.
  func features(of batch: PatchBatch, taps: Taps = Taps()) throws -> VisualFeatures {
    let (grid, width) = (batch.grids[0], configuration.hiddenSize)
    let input = patches.reserving(rows: grid.count, columns: configuration.patchWidth, on: backend)
    backend.write(batch.pixelValues, to: input)
    let stream = hidden.reserving(rows: grid.count, columns: width, on: backend)
    try backend.withOperand(input) { try backend.apply(patchEmbedding, to: $0, into: stream, accumulate: false) }
    let order = grid.order(inBlocksOf: configuration.spatialMergeSize)
    let places = order.map {
      PositionEmbedding.Place(row: $0.row, column: $0.column, rows: grid.rows, columns: grid.columns)
    }
    positions.add(to: stream, places: places, scratch: normed, on: backend)
    var additions: [(afterLayer: Int, values: Tensor)] = []
    let showing = Taps(afterLayer: { layer, rows in
      if let index = self.configuration.deepstackVisualIndexes.firstIndex(of: layer) {
        additions.append((index, try self.merge(rows, self.deepstackMergers[index])))
      }
      try taps.afterLayer?(layer, rows)
    })
    let angles = RotaryAngles.grid(order, headDim: configuration.headDim, theta: 10_000)
    try encoder.forward(stream, angles: [angles], taps: showing)
    return VisualFeatures(values: try merge(stream, merger), additions: additions)
  }

  /// The patches of a block lie one after another, so that bringing them together is a change of shape.
  ///
  /// - Shape: stream [patches, width], which stays as it is; the result [V, C].
  private func merge(_ stream: Tensor, _ merger: Merger) throws -> Tensor {
    let merged = configuration.mergedWidth
    let normed = normed.reserving(rows: stream.rows, columns: stream.columns, on: backend)
    let blocks = normed.reshaped(rows: stream.count / merged, columns: merged)
    if merger.norm.weight.columns == merged {
      backend.normalize(stream.reshaped(rows: blocks.rows, columns: merged), merger.norm, groups: 1, into: blocks)
    } else {
      backend.normalize(stream, merger.norm, groups: 1, into: normed)
    }
    let inner = inner.reserving(rows: blocks.rows, columns: merged, on: backend)
    try backend.withOperand(blocks) { try backend.apply(.gelu, gate: nil, up: merger.inner, to: $0, into: inner) }
    let features = backend.tensor(rows: blocks.rows, columns: merger.outer.outputs)
    try backend.withOperand(inner) { try backend.apply(merger.outer, to: $0, into: features, accumulate: false) }
    return features
  }
}

import ImageInput
import Kernels
import Transformer

/// Patches to visual tokens, of Qwen2-VL and Qwen2.5-VL: patch embedding, encoder layers, and the merger of neighbouring
/// patches.
final class Qwen2VLVisionTower {
  private let configuration: QwenTowerConfiguration
  private let backend: any Backend
  let patchEmbedding: Linear
  let encoder: EncoderStack
  private let mergerNorm: Norm
  private let merger: Projector
  private let patches = ScratchTensor()
  private let hidden = ScratchTensor()
  private let windowed = ScratchTensor()

  /// Takes the tensors out of a loader, whose `finish` says what is wrong with them.
  init(_ loader: WeightLoader, _ configuration: QwenTowerConfiguration, backend: any Backend) {
    self.configuration = configuration
    self.backend = backend
    let (width, merged, side) = (configuration.width, configuration.mergedWidth, configuration.patchSize)
    patchEmbedding = loader.linear(
      "model.visual.patch_embed.proj", outputs: width, inputs: configuration.patchWidth, hasBias: false,
      fileShape: [width, 3, configuration.temporalPatchSize, side, side])
    encoder = EncoderStack(
      layers: (0..<configuration.depth).map { Self.layer(loader, $0, configuration) }, hiddenSize: width,
      backend: backend)
    mergerNorm = loader.norm(configuration.norm, "model.visual.merger.ln_q", count: width, eps: 1e-6)
    merger = Projector(
      loader.linear("model.visual.merger.mlp.0", outputs: merged, inputs: merged),
      loader.linear("model.visual.merger.mlp.2", outputs: configuration.outputSize, inputs: merged), backend: backend)
  }

  private static func layer(
    _ loader: WeightLoader, _ index: Int, _ configuration: QwenTowerConfiguration
  ) -> TransformerLayer {
    let name = "model.visual.blocks.\(index)."
    let (width, inner) = (configuration.width, configuration.intermediateSize)
    let fused = loader.linear(name + "attn.qkv", outputs: 3 * width, inputs: width)
    let seesAll = configuration.windows?.fullLayers.contains(index) ?? true
    let feedForward =
      if configuration.isGated {
        FeedForward(
          gate: loader.linear(name + "mlp.gate_proj", outputs: inner, inputs: width),
          up: loader.linear(name + "mlp.up_proj", outputs: inner, inputs: width),
          down: loader.linear(name + "mlp.down_proj", outputs: width, inputs: inner), activation: .silu)
      } else {
        FeedForward(
          up: loader.linear(name + "mlp.fc1", outputs: inner, inputs: width),
          down: loader.linear(name + "mlp.fc2", outputs: width, inputs: inner), activation: .quickGELU)
      }
    return TransformerLayer(
      inputNorm: loader.norm(configuration.norm, name + "norm1", count: width, eps: 1e-6),
      attention: Attention(
        query: fused.rows(0..<width), key: fused.rows(width..<2 * width), value: fused.rows(2 * width..<3 * width),
        output: loader.linear(name + "attn.proj", outputs: width, inputs: width),
        shape: AttentionShape(
          heads: configuration.heads, keyValueHeads: configuration.heads, headDim: configuration.headDim),
        blocks: seesAll ? 0 : 1),
      feedForwardNorm: loader.norm(configuration.norm, name + "norm2", count: width, eps: 1e-6),
      feedForward: feedForward)
  }

  /// - Shape: batch [patches, patchWidth] of one view, in merge blocks; the result [V, C].
  /// - Parameter taps: shown the layers' rows window by window where the tower has windows.
  /// - Throws: what the backend and a tap throw.
  func features(of batch: PatchBatch, taps: Taps = Taps()) throws -> Tensor {
    let (grid, side) = (batch.grids[0], configuration.spatialMergeSize)
    let input = patches.reserving(rows: grid.count, columns: configuration.patchWidth, on: backend)
    backend.write(batch.pixelValues, to: input)
    let stream = hidden.reserving(rows: grid.count, columns: configuration.width, on: backend)
    try backend.withOperand(input) { try backend.apply(patchEmbedding, to: $0, into: stream, accumulate: false) }
    let places = grid.order(inBlocksOf: side)
    let angles = { (places: [(row: Int, column: Int)]) in
      RotaryAngles.grid(places, headDim: self.configuration.headDim, theta: 10_000)
    }
    guard let windows = configuration.windows else {
      try encoder.forward(stream, angles: [angles(places)], taps: taps)
      return try merge(stream)
    }
    // A window's rows are to follow each other, so whole merge blocks are put in another order, and back in the end.
    let (order, blocks) = windows.division(of: PatchGrid(rows: grid.rows / side, columns: grid.columns / side))
    let area = side * side
    let windowed = windowed.reserving(rows: grid.count, columns: configuration.width, on: backend)
    backend.gather(
      stream.reshaped(rows: order.count, columns: configuration.mergedWidth), order,
      into: windowed.reshaped(rows: order.count, columns: configuration.mergedWidth))
    try encoder.forward(
      windowed, angles: [angles(order.flatMap { places[$0 * area..<($0 + 1) * area] })],
      blocks: [[0..<grid.count], blocks.map { $0.lowerBound * area..<$0.upperBound * area }], taps: taps)
    let merged = try merge(windowed)
    let features = backend.tensor(rows: merged.rows, columns: merged.columns)
    backend.scatter(merged, to: order, of: features, accumulate: false)
    return features
  }

  /// Neighbouring patches become one visual token: they lie one after another, so the merge is a change of shape.
  private func merge(_ stream: Tensor) throws -> Tensor {
    backend.normalize(stream, mergerNorm, groups: 1, into: stream)
    return try merger.features(
      stream.reshaped(rows: stream.count / configuration.mergedWidth, columns: configuration.mergedWidth))
  }
}

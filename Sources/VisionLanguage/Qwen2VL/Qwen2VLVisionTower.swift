import Kernels
import Transformer

/// Patches to visual tokens: patch embedding, encoder layers, and the merger of neighbouring patches.
final class Qwen2VLVisionTower {
  private let configuration: Qwen2VLConfiguration
  private let backend: any Backend
  let patchEmbedding: Linear
  let encoder: EncoderStack
  private let mergerNorm: Norm
  private let merger: Projector
  private let patches = ScratchTensor()
  private let hidden = ScratchTensor()

  /// Takes the tensors out of a loader, whose `finish` says what is wrong with them.
  init(_ loader: WeightLoader, _ configuration: Qwen2VLConfiguration, backend: any Backend) {
    self.configuration = configuration
    self.backend = backend
    let (embed, merged, side) = (
      configuration.visionEmbedDim, configuration.mergedWidth, configuration.patchSize
    )
    patchEmbedding = loader.linear(
      "model.visual.patch_embed.proj", outputs: embed, inputs: configuration.patchWidth, hasBias: false,
      fileShape: [embed, configuration.inChannels, configuration.temporalPatchSize, side, side])
    encoder = EncoderStack(
      layers: (0..<configuration.visionDepth).map { Self.layer(loader, "model.visual.blocks.\($0).", configuration) },
      hiddenSize: embed, backend: backend)
    mergerNorm = loader.norm(.layer, "model.visual.merger.ln_q", count: embed, eps: 1e-6)
    merger = Projector(
      loader.linear("model.visual.merger.mlp.0", outputs: merged, inputs: merged),
      loader.linear("model.visual.merger.mlp.2", outputs: configuration.text.hiddenSize, inputs: merged),
      backend: backend)
  }

  private static func layer(
    _ loader: WeightLoader, _ name: String, _ configuration: Qwen2VLConfiguration
  ) -> TransformerLayer {
    let (embed, inner) = (configuration.visionEmbedDim, configuration.visionIntermediateSize)
    let fused = loader.linear(name + "attn.qkv", outputs: 3 * embed, inputs: embed)
    return TransformerLayer(
      inputNorm: loader.norm(.layer, name + "norm1", count: embed, eps: 1e-6),
      attention: Attention(
        query: fused.rows(0..<embed), key: fused.rows(embed..<2 * embed), value: fused.rows(2 * embed..<3 * embed),
        output: loader.linear(name + "attn.proj", outputs: embed, inputs: embed),
        shape: AttentionShape(
          heads: configuration.visionNumHeads, keyValueHeads: configuration.visionNumHeads,
          headDim: configuration.visionHeadDim)),
      feedForwardNorm: loader.norm(.layer, name + "norm2", count: embed, eps: 1e-6),
      feedForward: FeedForward(
        up: loader.linear(name + "mlp.fc1", outputs: inner, inputs: embed),
        down: loader.linear(name + "mlp.fc2", outputs: embed, inputs: inner), activation: .quickGELU))
  }

  /// - Shape: batch [patches, patchWidth] of one view, in merge blocks; the result [V, C].
  /// - Throws: what the backend and a tap throw.
  func features(of batch: PatchBatch, taps: Taps = Taps()) throws -> Tensor {
    let grid = batch.grids[0]
    let input = patches.reserving(rows: grid.count, columns: configuration.patchWidth, on: backend)
    backend.write(batch.pixelValues, to: input)
    let stream = hidden.reserving(rows: grid.count, columns: configuration.visionEmbedDim, on: backend)
    try backend.withOperand(input) { try backend.apply(patchEmbedding, to: $0, into: stream, accumulate: false) }
    let angles = RotaryAngles.grid(
      grid.order(inBlocksOf: configuration.spatialMergeSize), headDim: configuration.visionHeadDim, theta: 10_000)
    try encoder.forward(stream, angles: [angles], taps: taps)
    return try merge(stream)
  }

  /// Neighbouring patches become one visual token: they lie one after another, so the merge is a change of shape.
  private func merge(_ stream: Tensor) throws -> Tensor {
    backend.normalize(stream, mergerNorm, groups: 1, into: stream)
    return try merger.features(
      stream.reshaped(rows: stream.count / configuration.mergedWidth, columns: configuration.mergedWidth))
  }
}

import ImageInput
import Kernels
import Transformer

/// Patches to visual tokens: patch embedding, encoder layers, and the merger of neighbouring patches.
final class Qwen2VLVisionTower {
  private let configuration: Qwen2VLConfiguration
  private let weights: Qwen2VLWeights
  private let context: ComputeContext
  let encoder: EncoderStack
  private var patches = AlignedBuffer<Float>()
  private var hidden = AlignedBuffer<Float>()
  private var inner = AlignedBuffer<Float>()

  init(configuration: Qwen2VLConfiguration, weights: Qwen2VLWeights, context: ComputeContext) {
    self.configuration = configuration
    self.weights = weights
    self.context = context
    encoder = EncoderStack(layers: weights.encoderLayers, hiddenSize: configuration.visionEmbedDim, context: context)
  }

  /// - Shape: pixelValues [gridHeight · gridWidth, patchWidth] in merge blocks; the result [V, C].
  func forward(pixelValues: [Float], gridHeight: Int, gridWidth: Int, taps: Taps) throws -> [Float] {
    let rows = gridHeight * gridWidth
    let embed = configuration.visionEmbedDim
    let patchWidth = configuration.patchWidth
    precondition(pixelValues.count == rows * patchWidth)
    patches.reserve(rows * patchWidth)
    pixelValues.withUnsafeBufferPointer { values in
      if let base = values.baseAddress { patches.base.update(from: base, count: values.count) }
    }
    hidden.reserve(rows * embed)
    let stream = hidden.base
    try context.apply(weights.patchEmbedding, to: patches.base, rows: rows, into: stream)

    let angles = Qwen2VLPositions.visionAngles(
      gridHeight: gridHeight, gridWidth: gridWidth, mergeSize: configuration.spatialMergeSize,
      headDim: configuration.visionHeadDim)
    try encoder.forward(stream, rows: rows, angles: angles, taps: taps)
    return try merge(stream, rows: rows)
  }

  /// Neighbouring patches become one visual token: they lie one after another, so the merge is a change of shape.
  private func merge(_ stream: UnsafeMutablePointer<Float>, rows: Int) throws -> [Float] {
    let unit = configuration.spatialMergeSize * configuration.spatialMergeSize
    let visualTokens = rows / unit
    let width = configuration.visionEmbedDim * unit
    let norm = weights.mergerNorm
    context.layerNorm(stream, weight: norm.weight, bias: norm.bias, eps: norm.eps, into: stream, rows: rows)
    inner.reserve(visualTokens * width)
    try context.apply(weights.mergerInner, to: stream, rows: visualTokens, into: inner.base)
    context.activate(.gelu, inner.base, rows: visualTokens, columns: width)
    var features = [Float](repeating: 0, count: visualTokens * configuration.hiddenSize)
    try features.withUnsafeMutableBufferPointer { features in
      guard let base = features.baseAddress else { return }
      try context.apply(weights.mergerOuter, to: inner.base, rows: visualTokens, into: base)
    }
    return features
  }
}

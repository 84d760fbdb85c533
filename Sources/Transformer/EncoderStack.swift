import Kernels

/// The weight and bias of a layer norm.
public struct LayerNorm: Sendable {
  public let weight: [Float]
  public let bias: [Float]
  public let eps: Float

  public init(weight: [Float], bias: [Float], eps: Float) {
    precondition(weight.count == bias.count)
    self.weight = weight
    self.bias = bias
    self.eps = eps
  }
}

/// The one encoder layer: x += attention(norm1(x)); x += fc2(act(fc1(norm2(x)))).
public struct EncoderLayer {
  public let norm1: LayerNorm
  public let attention: Attention
  public let norm2: LayerNorm
  public let fc1: Linear
  public let fc2: Linear
  public let activation: Activation

  public init(
    norm1: LayerNorm, attention: Attention, norm2: LayerNorm, fc1: Linear, fc2: Linear, activation: Activation
  ) {
    self.norm1 = norm1
    self.attention = attention
    self.norm2 = norm2
    self.fc1 = fc1
    self.fc2 = fc2
    self.activation = activation
  }
}

/// The vision tower's stack of encoder layers, where every row sees every row.
public final class EncoderStack {
  public let layers: [EncoderLayer]
  public let hiddenSize: Int
  private let context: ComputeContext
  private let workspace = Workspace()
  /// Rows of the MLP that are computed at a time.
  var mlpRows = Workspace.mlpRows

  public init(layers: [EncoderLayer], hiddenSize: Int, context: ComputeContext) {
    self.layers = layers
    self.hiddenSize = hiddenSize
    self.context = context
  }

  /// Runs the layers over the residual stream, in place.
  ///
  /// - Shape: hidden [rows, C]; angles of the same rows.
  /// - Throws: `OneDNNError`, and what a tap throws.
  public func forward(
    _ hidden: UnsafeMutablePointer<Float>, rows: Int, angles: RotaryAngles, taps: Taps = Taps()
  ) throws {
    let span = AttentionSpan(queries: 0..<rows, sharedKeys: rows)
    for (index, layer) in layers.enumerated() {
      let shape = layer.attention.shape
      workspace.normed.reserve(rows * hiddenSize)
      workspace.queries.reserve(rows * shape.queryWidth)
      workspace.keys.reserve(rows * shape.keyValueWidth)
      workspace.values.reserve(rows * shape.keyValueWidth)
      workspace.attentionOutput.reserve(rows * shape.queryWidth)
      normalise(hidden, layer.norm1, rows: rows)
      try context.withOperand(workspace.normed.base, rows: rows, columns: hiddenSize) { normed in
        try context.apply(layer.attention.query, to: normed, into: workspace.queries.base)
        try context.apply(layer.attention.key, to: normed, into: workspace.keys.base)
        try context.apply(layer.attention.value, to: normed, into: workspace.values.base)
      }
      context.rotate(workspace.queries.base, by: angles, rows: rows, heads: shape.heads)
      context.rotate(workspace.keys.base, by: angles, rows: rows, heads: shape.keyValueHeads)
      try context.attend(
        queries: workspace.queries.base, keys: workspace.keys.base, values: workspace.values.base,
        into: workspace.attentionOutput.base, spans: [span], shape: shape, scratch: &workspace.attention)
      try context.apply(
        layer.attention.output, to: workspace.attentionOutput.base, rows: rows, into: hidden, accumulate: true)
      try feedForward(hidden, layer: layer, rows: rows)
      try taps.hiddenState?(index, ActivationView(base: hidden, rows: rows, columns: hiddenSize))
    }
  }

  /// The norm's output is left in the workspace.
  private func normalise(_ hidden: UnsafeMutablePointer<Float>, _ norm: LayerNorm, rows: Int) {
    context.layerNorm(
      hidden, weight: norm.weight, bias: norm.bias, eps: norm.eps, into: workspace.normed.base, rows: rows)
  }

  private func feedForward(_ hidden: UnsafeMutablePointer<Float>, layer: EncoderLayer, rows: Int) throws {
    let width = layer.fc1.outputs
    let step = min(rows, mlpRows)
    workspace.gate.reserve(step * width)
    let inner = workspace.gate.base
    for first in stride(from: 0, to: rows, by: step) {
      let count = min(step, rows - first)
      let stream = hidden + first * hiddenSize
      normalise(stream, layer.norm2, rows: count)
      try context.apply(layer.fc1, to: workspace.normed.base, rows: count, into: inner)
      context.activate(layer.activation, inner, rows: count, columns: width)
      try context.apply(layer.fc2, to: inner, rows: count, into: stream, accumulate: true)
    }
  }
}

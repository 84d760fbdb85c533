import Kernels
import TensorCore

/// The one decoder layer: x += attention(rmsNorm(x)); x += down(silu(gate(n)) · up(n)), n = rmsNorm(x).
public struct DecoderLayer: Sendable {
  public let inputNorm: [Float]
  public let attention: Attention
  public let postAttentionNorm: [Float]
  public let gate: Linear
  public let up: Linear
  public let down: Linear

  public init(
    inputNorm: [Float], attention: Attention, postAttentionNorm: [Float], gate: Linear, up: Linear, down: Linear
  ) {
    self.inputNorm = inputNorm
    self.attention = attention
    self.postAttentionNorm = postAttentionNorm
    self.gate = gate
    self.up = up
    self.down = down
  }
}

/// The language model's stack of decoder layers.
public final class Decoder {
  public let layers: [DecoderLayer]
  public let hiddenSize: Int
  public let normEps: Float
  private let context: ComputeContext
  private let workspace = Workspace()
  /// Rows of the MLP that are computed at a time.
  var mlpRows = Workspace.mlpRows

  public init(layers: [DecoderLayer], hiddenSize: Int, normEps: Float, context: ComputeContext) {
    self.layers = layers
    self.hiddenSize = hiddenSize
    self.normEps = normEps
    self.context = context
  }

  /// Room in `cache` for the keys and values of `rows` rows.
  public func reserve(_ cache: KeyValueCache, rows: Int) {
    cache.reserve(layers: layers.count, rows: rows, width: layers.first?.attention.shape.keyValueWidth ?? 0)
  }

  /// Runs the layers over the residual stream, in place.
  ///
  /// - Shape: hidden [layout.rows, C]; angles of the same rows.
  /// - Parameters:
  ///   - stopsAtLastWeights: ends once the attention weights of the last layer have been shown: its values,
  ///     its MLP and the queries that nobody observes are never computed, and `hidden` stays its input.
  /// - Throws: `OneDNNError`, and what a tap throws.
  public func forward(
    _ hidden: UnsafeMutablePointer<Float>, layout: SequenceLayout, angles: RotaryAngles, cache: KeyValueCache,
    taps: Taps = Taps(), stopsAtLastWeights: Bool = false
  ) throws {
    precondition(angles.rows == layout.rows)
    precondition(
      layers.allSatisfy {
        cache.hasRoom(layers: layers.count, rows: layout.keys, width: $0.attention.shape.keyValueWidth)
      })
    let spans = layout.spans
    for (index, layer) in layers.enumerated() {
      let weightsOnly = stopsAtLastWeights && index == layers.count - 1
      try attend(
        hidden, layer: layer, index: index, layout: layout, spans: spans, angles: angles, cache: cache, taps: taps,
        weightsOnly: weightsOnly)
      if weightsOnly { return }
      try feedForward(hidden, layer: layer, rows: layout.rows)
      try taps.hiddenState?(index, ActivationView(base: hidden, rows: layout.rows, columns: hiddenSize))
    }
  }

  private func attend(
    _ hidden: UnsafeMutablePointer<Float>, layer: DecoderLayer, index: Int, layout: SequenceLayout,
    spans: [AttentionSpan], angles: RotaryAngles, cache: KeyValueCache, taps: Taps, weightsOnly: Bool
  ) throws {
    let rows = layout.rows
    let shape = layer.attention.shape
    workspace.normed.reserve(rows * hiddenSize)
    workspace.queries.reserve(rows * shape.queryWidth)
    let normed = workspace.normed.base
    let queries = workspace.queries.base
    context.rmsNorm(hidden, weight: layer.inputNorm, eps: normEps, into: normed, rows: rows)

    let newKeys = cache.keys(layer: index, row: layout.cachedPrefix)
    let operand = context.operand(normed, rows: rows, columns: hiddenSize)
    try context.apply(layer.attention.key, to: operand, into: newKeys)
    context.rotate(newKeys, by: angles, rows: rows, heads: shape.keyValueHeads)

    let tap: AttentionWeightsTap? = taps.attentionWeights.map { show in
      { span, head, row, weights in show(index, span, head, row, weights) }
    }
    // The prefix's queries matter only for what they mix.
    let firstQuery = weightsOnly ? layout.newPrefix : 0
    if !weightsOnly {
      try context.apply(layer.attention.value, to: operand, into: cache.values(layer: index, row: layout.cachedPrefix))
    }
    try context.apply(
      layer.attention.query, to: operand.rows(from: firstQuery), into: queries + firstQuery * shape.queryWidth)
    context.rotate(
      queries + firstQuery * shape.queryWidth, by: angles, from: firstQuery, rows: rows - firstQuery,
      heads: shape.heads)

    workspace.mixed.reserve(rows * shape.queryWidth)
    context.attend(
      queries: queries, keys: cache.keys(layer: index), values: weightsOnly ? nil : cache.values(layer: index),
      into: weightsOnly ? nil : workspace.mixed.base, spans: spans, shape: shape, scratch: &workspace.attention,
      tap: tap)
    guard !weightsOnly else { return }
    try context.apply(
      layer.attention.output, to: context.operand(workspace.mixed.base, rows: rows, columns: shape.queryWidth),
      into: hidden, accumulate: true)
  }

  private func feedForward(_ hidden: UnsafeMutablePointer<Float>, layer: DecoderLayer, rows: Int) throws {
    let width = layer.gate.outputs
    let step = min(rows, mlpRows)
    workspace.gate.reserve(step * width)
    workspace.up.reserve(step * width)
    let gate = workspace.gate.base
    for first in stride(from: 0, to: rows, by: step) {
      let count = min(step, rows - first)
      let stream = hidden + first * hiddenSize
      let normed = workspace.normed.base
      context.rmsNorm(stream, weight: layer.postAttentionNorm, eps: normEps, into: normed, rows: count)
      let operand = context.operand(normed, rows: count, columns: hiddenSize)
      try context.apply(layer.gate, to: operand, into: gate)
      try context.apply(layer.up, to: operand, into: workspace.up.base)
      context.siluMultiply(gate, workspace.up.base, rows: count, columns: width)
      try context.apply(
        layer.down, to: context.operand(gate, rows: count, columns: width), into: stream, accumulate: true)
    }
  }
}

import Kernels

/// The vision tower's stack of layers, where rows see all rows of their block.
public final class EncoderStack {
  public let layers: [TransformerLayer]
  public let hiddenSize: Int
  private let backend: any Backend
  private let workspace = Workspace()
  /// Rows of the MLP, and of whole blocks in the attention, that are computed at a time.
  var rowsAtATime = Workspace.mlpRows

  public init(layers: [TransformerLayer], hiddenSize: Int, backend: any Backend) {
    self.layers = layers
    self.hiddenSize = hiddenSize
    self.backend = backend
  }

  /// Runs the layers over the residual stream, in place.
  ///
  /// - Shape: hidden [rows, C]; angles of the same rows.
  /// - Parameters:
  ///   - angles: tables, of which `Attention.rotary` picks a layer's.
  ///   - blocks: divisions of the rows into consecutive blocks that see themselves only (a tile each, windows), of which
  ///     `Attention.blocks` picks a layer's. nil: every row sees every row.
  /// - Throws: what a tap throws.
  public func forward(
    _ hidden: Tensor, angles: [RotaryAngles] = [], blocks: [[Range<Int>]]? = nil, taps: Taps = Taps()
  ) throws {
    precondition(hidden.columns == hiddenSize && angles.allSatisfy { $0.rows == hidden.rows })
    precondition(
      (blocks ?? []).allSatisfy { $0.reduce(0) { $1.lowerBound == $0 ? $1.upperBound : -1 } == hidden.rows })
    for (index, layer) in layers.enumerated() {
      try attend(hidden, layer, angles: angles, blocks: blocks?[layer.attention.blocks] ?? [0..<hidden.rows])
      try feedForward(hidden, layer)
      try taps.afterLayer?(index, hidden)
    }
  }

  /// Blocks see themselves only: some are computed at a time, so that the scratch doesn't grow with the number of views.
  private func attend(
    _ hidden: Tensor, _ layer: TransformerLayer, angles: [RotaryAngles], blocks: [Range<Int>]
  ) throws {
    var first = 0
    while first < blocks.count {
      let start = blocks[first].lowerBound
      var end = first + 1
      while end < blocks.count, blocks[end].upperBound - start <= rowsAtATime { end += 1 }
      let rows = start..<blocks[end - 1].upperBound
      try attend(
        hidden.rows(rows), layer, angles: angles, firstRow: start,
        blocks: blocks[first..<end].map { $0.lowerBound - start..<$0.upperBound - start })
      first = end
    }
  }

  /// - Parameter firstRow: of `hidden`, among those of the angles.
  private func attend(
    _ hidden: Tensor, _ layer: TransformerLayer, angles: [RotaryAngles], firstRow: Int, blocks: [Range<Int>]
  ) throws {
    let attention = layer.attention
    let shape = attention.shape
    let rows = hidden.rows
    let normed = workspace.normed.reserving(rows: rows, columns: hiddenSize, on: backend)
    let queries = workspace.queries.reserving(rows: rows, columns: shape.queryWidth, on: backend)
    let keys = workspace.keys.reserving(rows: rows, columns: shape.keyValueWidth, on: backend)
    let values = workspace.values.reserving(rows: rows, columns: shape.keyValueWidth, on: backend)
    let output = workspace.attentionOutput.reserving(rows: rows, columns: shape.queryWidth, on: backend)
    backend.normalize(hidden, layer.inputNorm, groups: 1, into: normed)
    try backend.withOperand(normed) { normed in
      try backend.apply(attention.query, to: normed, into: queries, accumulate: false)
      try backend.apply(attention.key, to: normed, into: keys, accumulate: false)
      try backend.apply(attention.value, to: normed, into: values, accumulate: false)
    }
    backend.normalize(queries, attention.queryNorm, into: queries)
    backend.normalize(keys, attention.keyNorm, into: keys)
    if let table = attention.rotary {
      backend.rotate(queries, by: angles[table], firstRow: firstRow, heads: shape.heads)
      backend.rotate(keys, by: angles[table], firstRow: firstRow, heads: shape.keyValueHeads)
    }
    try backend.attend(queries: queries, keys: keys, values: values, into: output, blocks: blocks, shape: shape)
    try addBranch(to: hidden, norm: layer.attentionOutputNorm, scale: layer.attentionScale) { target, accumulate in
      try backend.withOperand(output) {
        try backend.apply(attention.output, to: $0, into: target, accumulate: accumulate)
      }
    }
  }

  private func feedForward(_ hidden: Tensor, _ layer: TransformerLayer) throws {
    let mlp = layer.feedForward
    let rows = hidden.rows
    let step = min(rows, rowsAtATime)
    for first in stride(from: 0, to: rows, by: step) {
      let stream = hidden.rows(first..<min(first + step, rows))
      let normed = workspace.normed.reserving(rows: stream.rows, columns: hiddenSize, on: backend)
      let inner = workspace.gate.reserving(rows: stream.rows, columns: mlp.up.outputs, on: backend)
      backend.normalize(stream, layer.feedForwardNorm, groups: 1, into: normed)
      try backend.withOperand(normed) {
        try backend.apply(mlp.activation, gate: mlp.gate, up: mlp.up, to: $0, into: inner)
      }
      try addBranch(to: stream, norm: layer.feedForwardOutputNorm, scale: layer.feedForwardScale) {
        target, accumulate in
        try backend.withOperand(inner) { try backend.apply(mlp.down, to: $0, into: target, accumulate: accumulate) }
      }
    }
  }

  /// stream += scale · norm(branch), the branch being what `compute` writes.
  private func addBranch(
    to stream: Tensor, norm: Norm?, scale: Tensor?, _ compute: (_ target: Tensor, _ accumulate: Bool) throws -> Void
  ) throws {
    guard norm != nil || scale != nil else { return try compute(stream, true) }
    let branch = workspace.branch.reserving(rows: stream.rows, columns: stream.columns, on: backend)
    try compute(branch, false)
    backend.add(branch, norm: norm, scale: scale, to: stream, normed: branch)
  }
}

extension Backend {
  /// Norms over heads or, where the norm's weight is as wide as x, over all channels; nothing without a norm.
  func normalize(_ x: Tensor, _ norm: Norm?, into output: Tensor) {
    guard let norm else { return }
    normalize(x, norm, groups: norm.groups(of: x), into: output)
  }

  /// stream += scale · norm(branch).
  ///
  /// - Parameter normed: takes the norm's output; may be branch.
  func add(_ branch: Tensor, norm: Norm?, scale: Tensor?, to stream: Tensor, normed: Tensor) {
    var branch = branch
    if let norm {
      normalize(branch, norm, groups: 1, into: normed)
      branch = normed
    }
    if let scale {
      scaleColumns(branch, by: scale, bias: nil, into: stream, accumulate: true)
    } else {
      add(branch, to: stream)
    }
  }
}

extension Norm {
  /// How many equal parts of a row of x the norm is over, each by itself.
  func groups(of x: Tensor) -> Int {
    precondition(x.columns.isMultiple(of: weight.columns))
    return x.columns / weight.columns
  }
}

import Kernels

/// The way back: gradients of the adapter's numbers. Frozen weights get none; only the stream's gradient flows through them,
/// and it ends at the lowest layer of the tape.
extension DecoderStack {
  /// Adds to `gradients` those of the adapter's numbers, from the gradient of what the recorded pass left in the stream.
  ///
  /// - Shape: gradient [outputs that matter, C], with room for [layout.rows, C]; its contents are used up. gradients as
  ///   `LowRankAdapter.parameters`.
  /// - Parameters:
  ///   - tape: of a pass without a cached prefix, whose keys and values are still in `cache`. It is used up.
  ///   - afterLayer: called after each layer; a thrown error ends the pass.
  /// - Throws: `OneDNNError`, and what `afterLayer` throws.
  public func backward(
    _ gradient: UnsafeMutablePointer<Float>, tape: ActivationTape, cache: KeyValueCache,
    into gradients: UnsafeMutablePointer<Float>, afterLayer: () throws -> Void = {}
  ) throws {
    guard let adapter, let angles = tape.angles else { return }
    precondition(tape.layout.prefix == 0 && tape.layout.isContiguous)
    precondition(adapter.parts.isEmpty, "there is no backward pass through parts that an adapter replaces")
    for index in tape.layers.reversed() {
      let way = BackwardPass(
        layer: index, tape: tape, angles: angles, cache: cache, adapter: adapter, gradients: gradients,
        outputs: index == layers.count - 1 ? tape.layout.outputs : nil, isLowest: index == tape.layers.lowerBound)
      try feedForwardBackward(gradient, way)
      try attendBackward(gradient, way)
      try afterLayer()
    }
  }

  /// What the steps back through one layer share.
  private struct BackwardPass {
    let layer: Int
    let tape: ActivationTape
    let angles: RotaryAngles
    let cache: KeyValueCache
    let adapter: LowRankAdapter
    let gradients: UnsafeMutablePointer<Float>
    let outputs: [Int]?
    /// Below this layer nobody needs a gradient.
    let isLowest: Bool

    var record: ActivationTape.Record { tape.record(of: layer) }
    var rows: Int { outputs?.count ?? tape.layout.rows }

    func update(_ projection: Projection) -> LoRADelta? {
      adapter[LoRATarget(layer: layer, projection: projection)]
    }
  }

  /// Back through a linear layer and its update: adds the update's gradients, and gives that of the input.
  ///
  /// - Parameters:
  ///   - x: the layer's input. - Shape: [dy.rows, in]
  ///   - dx: nil where nobody needs it.
  private func projectBackward(
    _ projection: Projection, _ way: BackwardPass, x: UnsafePointer<Float>, dy: borrowing Operand,
    into dx: UnsafeMutablePointer<Float>?,
    accumulate: Bool = false, rows: Range<Int>, outputs: [Int]?
  ) throws {
    let linear = layers[way.layer][projection]
    if let dx { try context.applyBackward(linear, to: dy, into: dx, accumulate: accumulate) }
    guard let update = way.update(projection) else { return }
    let dropout = way.tape.dropout.flatMap { $0.rate > 0 ? $0 : nil }
    let input = adapterInput(x, update, dropout: dropout, rows: rows, outputs: outputs)
    var target = dx
    if dropout != nil, dx != nil {
      // What reaches x through the update went through the dropout.
      workspace.dropoutGradient.reserve(rows.count * update.inputs)
      target = workspace.dropoutGradient.base
      target?.update(repeating: 0, count: rows.count * update.inputs)
    }
    try dy.withFloats {
      try context.lowRankBackward(
        way.adapter.factors(update), x: input, dy: $0, dA: way.gradients + update.a.lowerBound,
        dB: way.gradients + update.b.lowerBound, dx: target, rows: rows.count, scratch: &workspace.adaptation.lowRank)
    }
    if let dropout, let dx, let target {
      context.dropout(
        target, rate: dropout.rate, rowKeys: rows.map { dropout.rowKeys[outputs?[$0] ?? $0] }, salt: update.target.salt,
        into: target, columns: update.inputs)
      context.add(target, to: dx, count: rows.count * update.inputs)
    }
  }

  /// gradient: from that of the layer's output to that of the stream between attention and MLP.
  private func feedForwardBackward(_ gradient: UnsafeMutablePointer<Float>, _ way: BackwardPass) throws {
    let layer = layers[way.layer]
    let width = layer.gate.outputs
    let record = way.record
    let step = min(way.rows, mlpRows)
    let inner = workspace.gate.reserving(step * width)
    let dInner = workspace.up.reserving(step * width)
    let normed = workspace.normed.reserving(step * hiddenSize)
    let dNormed = workspace.gradient.reserving(step * hiddenSize)
    for first in stride(from: 0, to: way.rows, by: step) {
      let count = min(step, way.rows - first)
      let rows = first..<first + count
      let stream = gradient + first * hiddenSize
      let gate = record.gate.base + first * width
      let up = record.up.base + first * width
      let postAttention = record.postAttention.base + first * hiddenSize
      if way.update(.down) != nil { context.siluMultiply(gate, up, into: inner, rows: count, columns: width) }
      try context.withOperand(stream, rows: count, columns: hiddenSize) {
        try projectBackward(.down, way, x: inner, dy: $0, into: dInner, rows: rows, outputs: way.outputs)
      }
      context.siluMultiplyBackward(dInner, gate: gate, up: up, rows: count, columns: width)
      context.rmsNorm(postAttention, weight: layer.postAttentionNorm, eps: normEps, into: normed, rows: count)
      try context.withOperand(gate, rows: count, columns: width) {
        try projectBackward(.gate, way, x: normed, dy: $0, into: dNormed, rows: rows, outputs: way.outputs)
      }
      try context.withOperand(up, rows: count, columns: width) {
        try projectBackward(
          .up, way, x: normed, dy: $0, into: dNormed, accumulate: true, rows: rows, outputs: way.outputs)
      }
      context.rmsNormBackward(
        dNormed, x: postAttention, weight: layer.postAttentionNorm, eps: normEps, into: stream, rows: count)
    }
  }

  /// gradient: from that of the stream between attention and MLP to that of the layer's input.
  private func attendBackward(_ gradient: UnsafeMutablePointer<Float>, _ way: BackwardPass) throws {
    let layer = layers[way.layer]
    let shape = layer.attention.shape
    let record = way.record
    let (rows, all) = (way.rows, way.tape.layout.rows)
    let dAttentionOutput = workspace.attentionOutput.reserving(rows * shape.queryWidth)
    try context.withOperand(record.attentionOutput.base, rows: rows, columns: shape.queryWidth) { attentionOutput in
      try context.withOperand(gradient, rows: rows, columns: hiddenSize) { dy in
        // The update was applied to what the operand held.
        try attentionOutput.withFloats {
          try projectBackward(.output, way, x: $0, dy: dy, into: dAttentionOutput, rows: 0..<rows, outputs: way.outputs)
        }
      }
    }
    clearAblated(dAttentionOutput, layer: way.layer, rows: rows)
    let adaptsInputs = [Projection.query, .key, .value].contains { way.update($0) != nil }
    guard !way.isLowest || adaptsInputs else { return }

    let dQueries = workspace.queries.reserving(rows * shape.queryWidth)
    let dKeys = workspace.keys.reserving(all * shape.keyValueWidth)
    let dValues = workspace.values.reserving(all * shape.keyValueWidth)
    try context.attendBackward(
      dAttentionOutput, queries: record.queries.base, keys: way.cache.keys(layer: way.layer),
      values: way.cache.values(layer: way.layer), dQueries: dQueries, dKeys: dKeys, dValues: dValues, keyRows: all,
      spans: way.outputs == nil ? way.tape.layout.spans : way.tape.layout.outputSpans, shape: shape,
      scratch: &workspace.attention)
    context.rotateBackward(
      dQueries, by: way.outputs.map(way.angles.rows) ?? way.angles, rows: rows, heads: shape.heads)
    context.rotateBackward(dKeys, by: way.angles, rows: all, heads: shape.keyValueHeads)

    let normed = workspace.normed.reserving(all * hiddenSize)
    context.rmsNorm(record.input.base, weight: layer.inputNorm, eps: normEps, into: normed, rows: all)
    let dNormed = way.isLowest ? nil : workspace.gradient.reserving(all * hiddenSize)
    try context.withOperand(dKeys, rows: all, columns: shape.keyValueWidth) {
      try projectBackward(.key, way, x: normed, dy: $0, into: dNormed, rows: 0..<all, outputs: nil)
    }
    try context.withOperand(dValues, rows: all, columns: shape.keyValueWidth) {
      try projectBackward(.value, way, x: normed, dy: $0, into: dNormed, accumulate: true, rows: 0..<all, outputs: nil)
    }
    if let outputs = way.outputs {
      for (row, source) in outputs.enumerated() where row != source {
        (normed + row * hiddenSize).update(from: normed + source * hiddenSize, count: hiddenSize)
      }
      let some = dNormed.map { _ in workspace.someGradient.reserving(rows * hiddenSize) }
      try context.withOperand(dQueries, rows: rows, columns: shape.queryWidth) {
        try projectBackward(.query, way, x: normed, dy: $0, into: some, rows: 0..<rows, outputs: outputs)
      }
      guard let dNormed, let some else { return }
      for (row, target) in outputs.enumerated() {
        context.add(some + row * hiddenSize, to: dNormed + target * hiddenSize, count: hiddenSize)
      }
      spread(gradient, to: outputs, rows: all)
    } else {
      try context.withOperand(dQueries, rows: rows, columns: shape.queryWidth) {
        try projectBackward(
          .query, way, x: normed, dy: $0, into: dNormed, accumulate: true, rows: 0..<rows, outputs: nil)
      }
    }
    guard let dNormed else { return }
    context.rmsNormBackward(
      dNormed, x: record.input.base, weight: layer.inputNorm, eps: normEps, into: gradient, rows: all)
  }

  /// The first rows to the places of `outputs`, the others 0.
  private func spread(_ gradient: UnsafeMutablePointer<Float>, to outputs: [Int], rows: Int) {
    var next = outputs.count - 1
    for row in stride(from: rows - 1, through: 0, by: -1) {
      let target = gradient + row * hiddenSize
      if next >= 0, outputs[next] == row {
        if next != row { target.update(from: gradient + next * hiddenSize, count: hiddenSize) }
        next -= 1
      } else {
        target.update(repeating: 0, count: hiddenSize)
      }
    }
  }
}

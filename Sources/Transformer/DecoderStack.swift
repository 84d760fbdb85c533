import Kernels

/// The one decoder layer: x += attention(rmsNorm(x)); x += down(silu(gate(n)) · up(n)), n = rmsNorm(x).
public struct DecoderLayer {
  public var inputNorm: [Float]
  public var attention: Attention
  public var postAttentionNorm: [Float]
  public var gate: Linear
  public var up: Linear
  public var down: Linear

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
public final class DecoderStack {
  public let layers: [DecoderLayer]
  public let hiddenSize: Int
  public let normEps: Float
  /// What every pass changes of the layers; nil for the model as it is.
  public var adapter: LowRankAdapter?
  /// Heads whose output every pass leaves out, and through which no gradient flows back.
  public var ablatedHeads = AblatedHeads.none
  let context: ComputeContext
  let workspace = Workspace()
  /// Rows of the MLP that are computed at a time.
  var mlpRows = Workspace.mlpRows

  public init(layers: [DecoderLayer], hiddenSize: Int, normEps: Float, context: ComputeContext) {
    self.layers = layers
    self.hiddenSize = hiddenSize
    self.normEps = normEps
    self.context = context
  }

  /// A layer as passes run it: with what the adapter replaces.
  private func adapted(_ index: Int) -> DecoderLayer { adapter?.parts.layers[index] ?? layers[index] }

  /// Room in `cache` for the keys and values of `rows` rows.
  public func reserve(_ cache: KeyValueCache, rows: Int) {
    cache.reserve(layers: layers.count, rows: rows, width: layers.first?.attention.shape.keyValueWidth ?? 0)
  }

  /// Runs layers over the residual stream, in place.
  ///
  /// - Shape: hidden [layout.rows, C]; angles of the same rows. Where the layout says that only some outputs matter, these
  ///   are the first rows of what the last layer of the decoder leaves, [layout.outputs.count, C].
  /// - Parameters:
  ///   - range: the layers to run; all by default.
  ///   - tape: records what the way back needs.
  ///   - stopsAtLastWeights: ends once the attention weights of the last layer have been shown: its values,
  ///     its MLP and the queries that nobody observes are never computed, and `hidden` stays its input.
  /// - Throws: `OneDNNError`, and what a tap throws.
  public func forward(
    _ hidden: UnsafeMutablePointer<Float>, layout: SequenceLayout, angles: RotaryAngles, cache: KeyValueCache,
    layers range: Range<Int>? = nil, taps: Taps = Taps(), tape: ActivationTape? = nil, stopsAtLastWeights: Bool = false
  ) throws {
    precondition(angles.rows == layout.rows)
    precondition(
      layers.allSatisfy {
        cache.hasRoom(layers: layers.count, rows: layout.keys, width: $0.attention.shape.keyValueWidth)
      })
    let range = range ?? 0..<layers.count
    if let tape { (tape.layers, tape.layout, tape.angles) = (range, layout, angles) }
    let pass = Pass(layout: layout, angles: angles, cache: cache, taps: taps, tape: tape)
    for index in range {
      let isLast = index == layers.count - 1
      if stopsAtLastWeights && isLast {
        try showWeights(hidden, layer: index, pass)
        return
      }
      let outputs = isLast ? pass.outputs : nil
      try attend(hidden, layer: index, pass, outputs: outputs)
      let rows = outputs?.count ?? layout.rows
      try feedForward(hidden, layer: index, rows: rows, pass, outputs: outputs)
      try taps.hiddenState?(index, ActivationView(base: hidden, rows: rows, columns: hiddenSize))
    }
  }

  /// What all layers of one pass share.
  private struct Pass {
    let layout: SequenceLayout
    let angles: RotaryAngles
    let cache: KeyValueCache
    let taps: Taps
    let tape: ActivationTape?
    // What follows from the layout, once for all layers.
    let spans: [AttentionSpan]
    let outputs: [Int]?
    let isContiguous: Bool

    init(
      layout: SequenceLayout, angles: RotaryAngles, cache: KeyValueCache, taps: Taps, tape: ActivationTape?
    ) {
      self.layout = layout
      self.angles = angles
      self.cache = cache
      self.taps = taps
      self.tape = tape
      spans = layout.spans
      outputs = layout.outputs
      isContiguous = layout.isContiguous
    }

    func tap(of layer: Int) -> AttentionWeightsTap? {
      taps.attentionWeights.map { show in { span, head, row, weights in show(layer, span, head, row, weights) } }
    }
  }

  /// A linear layer, and the adapter's update of it.
  ///
  /// - Parameter rows: of the pass, where the operand holds some of them only: what dropout depends on.
  private func project(
    _ projection: Projection, of layer: Int, _ operand: borrowing Operand, into output: UnsafeMutablePointer<Float>,
    accumulate: Bool = false, _ pass: Pass, rows: Range<Int>? = nil, outputs: [Int]? = nil
  ) throws {
    let linear = adapted(layer)[projection]
    let target = LoRATarget(layer: layer, projection: projection)
    guard let adapter, let update = adapter[target] else {
      return try context.apply(linear, to: operand, into: output, accumulate: accumulate)
    }
    let count = operand.rows
    try operand.withFloats {
      let x = adapterInput($0, update, dropout: pass.tape?.dropout, rows: rows ?? 0..<count, outputs: outputs)
      try context.apply(
        linear, adapter.factors(update), scale: adapter.parts.outputScales[target], to: operand, input: x, into: output,
        accumulate: accumulate, scratch: &workspace.adaptation)
    }
  }

  /// What an update is applied to: the layer's own input, or what dropout leaves of it.
  ///
  /// - Parameters:
  ///   - rows: of the rows computed; `outputs` their places in the pass, where these are not all.
  func adapterInput(
    _ x: UnsafePointer<Float>, _ update: LoRADelta, dropout: ActivationTape.Dropout?, rows: Range<Int>,
    outputs: [Int]?
  ) -> UnsafePointer<Float> {
    guard let dropout, dropout.rate > 0 else { return x }
    workspace.dropped.reserve(rows.count * update.inputs)
    context.dropout(
      x, rate: dropout.rate, rowKeys: rows.map { dropout.rowKeys[outputs?[$0] ?? $0] }, salt: update.target.salt,
      into: workspace.dropped.base, columns: update.inputs)
    return UnsafePointer(workspace.dropped.base)
  }

  /// Norm, and the keys of all rows, rotated and in the cache. The norm's output is left in the workspace, and lent.
  private func normaliseAndKey(
    _ hidden: UnsafeMutablePointer<Float>, layer index: Int, _ pass: Pass, then: (borrowing Operand) throws -> Void
  ) throws {
    let layer = adapted(index)
    let rows = pass.layout.rows
    workspace.normed.reserve(rows * hiddenSize)
    context.rmsNorm(hidden, weight: layer.inputNorm, eps: normEps, into: workspace.normed.base, rows: rows)
    try context.withOperand(workspace.normed.base, rows: rows, columns: hiddenSize) { operand in
      let start = pass.isContiguous ? pass.cache.keys(layer: index, row: pass.layout.cachedPrefix) : nil
      try toCache(index, pass, straight: start, pass.cache.keys(layer: index)) { keys in
        try project(.key, of: index, operand, into: keys, pass)
        context.rotate(keys, by: pass.angles, rows: rows, heads: layer.attention.shape.keyValueHeads)
      }
      try then(operand)
    }
  }

  /// Computes keys or values where they lie in the cache, or aside and then row by row into it.
  private func toCache(
    _ index: Int, _ pass: Pass, straight: UnsafeMutablePointer<Float>?, _ base: UnsafeMutablePointer<Float>,
    _ compute: (UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    if let straight { return try compute(straight) }
    let width = layers[index].attention.shape.keyValueWidth
    workspace.keys.reserve(pass.layout.rows * width)
    try compute(workspace.keys.base)
    for (row, target) in pass.layout.cacheRows.enumerated() {
      (base + target * width).update(from: workspace.keys.base + row * width, count: width)
    }
  }

  private func attend(
    _ hidden: UnsafeMutablePointer<Float>, layer index: Int, _ pass: Pass, outputs: [Int]?
  ) throws {
    let layout = pass.layout
    let shape = layers[index].attention.shape
    let record = pass.tape?.record(of: index)
    if let record {
      record.input.reserve(layout.rows * hiddenSize)
      record.input.base.update(from: hidden, count: layout.rows * hiddenSize)
    }
    let rows = outputs?.count ?? layout.rows
    let queries =
      record.map { $0.queries.reserving(rows * shape.queryWidth) }
      ?? workspace.queries.reserving(rows * shape.queryWidth)
    let attentionOutput =
      record.map { $0.attentionOutput.reserving(rows * shape.queryWidth) }
      ?? workspace.attentionOutput.reserving(rows * shape.queryWidth)
    try normaliseAndKey(hidden, layer: index, pass) { operand in
      let start = pass.isContiguous ? pass.cache.values(layer: index, row: layout.cachedPrefix) : nil
      try toCache(index, pass, straight: start, pass.cache.values(layer: index)) {
        try project(.value, of: index, operand, into: $0, pass)
      }
      if outputs == nil { try project(.query, of: index, operand, into: queries, pass) }
    }
    if let outputs {
      // The rows in question come first, in the stream and in its norm.
      for (row, source) in outputs.enumerated() where row != source {
        for stream in [hidden, workspace.normed.base] {
          (stream + row * hiddenSize).update(from: stream + source * hiddenSize, count: hiddenSize)
        }
      }
      try context.withOperand(workspace.normed.base, rows: rows, columns: hiddenSize) {
        try project(.query, of: index, $0, into: queries, pass, outputs: outputs)
      }
    }
    context.rotate(queries, by: outputs.map(pass.angles.rows) ?? pass.angles, rows: rows, heads: shape.heads)
    try context.attend(
      queries: queries, keys: pass.cache.keys(layer: index), values: pass.cache.values(layer: index),
      into: attentionOutput,
      spans: outputs == nil ? pass.spans : layout.outputSpans, shape: shape, scratch: &workspace.attention,
      tap: pass.tap(of: index))
    clearAblated(attentionOutput, layer: index, rows: rows)
    try context.withOperand(attentionOutput, rows: rows, columns: shape.queryWidth) {
      try project(.output, of: index, $0, into: hidden, accumulate: true, pass, outputs: outputs)
    }
  }

  /// Zeroes what ablated heads have attentionOutput, or its gradient.
  ///
  /// - Shape: attentionOutput [rows, H · D].
  func clearAblated(_ attentionOutput: UnsafeMutablePointer<Float>, layer index: Int, rows: Int) {
    let shape = layers[index].attention.shape
    for head in ablatedHeads[index] {
      precondition(head < shape.heads)
      for row in 0..<rows {
        (attentionOutput + row * shape.queryWidth + head * shape.headDim).update(repeating: 0, count: shape.headDim)
      }
    }
  }

  /// The attention weights of the last layer, for a pass that ends there: the prefix's queries matter only for what they
  /// mix, and no value does.
  private func showWeights(_ hidden: UnsafeMutablePointer<Float>, layer index: Int, _ pass: Pass) throws {
    let shape = layers[index].attention.shape
    let rows = pass.layout.rows
    let first = pass.layout.newPrefix
    let queries = workspace.queries.reserving(rows * shape.queryWidth)
    try normaliseAndKey(hidden, layer: index, pass) { operand in
      try operand.withRows(from: first) {
        try project(.query, of: index, $0, into: queries + first * shape.queryWidth, pass, rows: first..<rows)
      }
    }
    context.rotate(
      queries + first * shape.queryWidth, by: pass.angles, from: first, rows: rows - first, heads: shape.heads)
    try context.attend(
      queries: queries, keys: pass.cache.keys(layer: index), values: nil, into: nil, spans: pass.spans,
      shape: shape, scratch: &workspace.attention, tap: pass.tap(of: index))
  }

  private func feedForward(
    _ hidden: UnsafeMutablePointer<Float>, layer index: Int, rows: Int, _ pass: Pass, outputs: [Int]?
  ) throws {
    let layer = adapted(index)
    let width = layer.gate.outputs
    let step = min(rows, mlpRows)
    let record = pass.tape?.record(of: index)
    if let record {
      record.postAttention.reserve(rows * hiddenSize)
      record.postAttention.base.update(from: hidden, count: rows * hiddenSize)
      record.gate.reserve(rows * width)
      record.up.reserve(rows * width)
    }
    workspace.normed.reserve(step * hiddenSize)
    let inner = workspace.gate.reserving(step * width)
    for first in stride(from: 0, to: rows, by: step) {
      let count = min(step, rows - first)
      let chunk = first..<first + count
      let stream = hidden + first * hiddenSize
      let gate = record.map { $0.gate.base + first * width } ?? inner
      let up = record.map { $0.up.base + first * width } ?? workspace.up.reserving(step * width)
      let normed = workspace.normed.base
      context.rmsNorm(stream, weight: layer.postAttentionNorm, eps: normEps, into: normed, rows: count)
      try context.withOperand(normed, rows: count, columns: hiddenSize) { operand in
        try project(.gate, of: index, operand, into: gate, pass, rows: chunk, outputs: outputs)
        try project(.up, of: index, operand, into: up, pass, rows: chunk, outputs: outputs)
      }
      context.siluMultiply(gate, up, into: inner, rows: count, columns: width)
      try context.withOperand(inner, rows: count, columns: width) {
        try project(.down, of: index, $0, into: stream, accumulate: true, pass, rows: chunk, outputs: outputs)
      }
    }
  }
}

extension LowRankAdapter {
  /// An update's numbers, for the kernels; valid as long as the adapter.
  public func factors(_ update: LoRADelta) -> LowRankFactors {
    let base = UnsafePointer(base)
    return LowRankFactors(
      a: base + update.a.lowerBound, b: base + update.b.lowerBound, rank: update.rank, inputs: update.inputs,
      outputs: update.outputs, scaling: update.scaling)
  }
}

extension LoRATarget {
  /// Tells the dropout of one linear layer from that of another.
  var salt: UInt64 {
    (UInt64(layer) &* 16 &+ UInt64(Projection.allCases.firstIndex(of: projection) ?? 0) &+ 1) &* 0xD1B5_4A32_D192_ED03
  }
}

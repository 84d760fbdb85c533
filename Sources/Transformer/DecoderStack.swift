import Kernels

/// The language model's stack of layers.
public final class DecoderStack {
  public let layers: [TransformerLayer]
  public let hiddenSize: Int
  /// What every pass changes of the layers; nil for the unmodified model.
  public var adapter: LowRankAdapter?
  /// Heads whose output every pass leaves out, and through which no gradient flows back.
  public var ablatedHeads = AblatedHeads.none
  let backend: any Backend
  let workspace = Workspace()
  /// Rows of the MLP that are computed at a time.
  var mlpRows = Workspace.mlpRows

  public init(layers: [TransformerLayer], hiddenSize: Int, backend: any Backend) {
    self.layers = layers
    self.hiddenSize = hiddenSize
    self.backend = backend
  }

  /// A layer as passes run it: with what the adapter replaces.
  private func adapted(_ index: Int) -> TransformerLayer { adapter?.parts.layers[index] ?? layers[index] }

  /// Room in `cache` for the keys and values of `rows` rows.
  public func reserve(_ cache: KeyValueCache, rows: Int) {
    cache.reserve(layers: layers.count, rows: rows, width: layers.first?.attention.shape.keyValueWidth ?? 0)
  }

  /// Runs layers over the residual stream, in place.
  ///
  /// - Shape: hidden [layout.rows, C]; angles of the same rows. Where the layout says that only some outputs matter,
  ///   these are the first rows of what the last layer of the decoder leaves, [layout.outputs.count, C].
  /// - Parameters:
  ///   - angles: tables, of which `Attention.rotary` picks a layer's.
  ///   - range: the layers to run; all by default.
  ///   - additions: what is added to the stream behind layers.
  ///   - tape: records what the backward pass needs.
  ///   - stopsAtLastWeights: ends once the attention weights of the last layer have been added up: its values,
  ///     its MLP and the queries that nobody observes are never computed, and `hidden` stays its input.
  /// - Throws: what a tap throws.
  public func forward(
    _ hidden: Tensor, layout: SequenceLayout, angles: [RotaryAngles], cache: KeyValueCache,
    layers range: Range<Int>? = nil, additions: [StreamAddition] = [], taps: Taps = Taps(),
    tape: ActivationTape? = nil, stopsAtLastWeights: Bool = false
  ) throws {
    precondition(hidden.rows == layout.rows && hidden.columns == hiddenSize)
    precondition(angles.allSatisfy { $0.rows == layout.rows })
    precondition(
      layers.allSatisfy {
        cache.hasRoom(layers: layers.count, rows: layout.keys, width: $0.attention.shape.keyValueWidth)
      })
    let range = range ?? 0..<layers.count
    if let tape { (tape.layers, tape.layout, tape.angles) = (range, layout, angles) }
    let pass = Pass(layout: layout, angles: angles, cache: cache, additions: additions, taps: taps, tape: tape)
    for index in range {
      let isLast = index == layers.count - 1
      if stopsAtLastWeights && isLast {
        try addWeights(hidden, layer: index, pass)
        return
      }
      let outputs = isLast ? pass.outputs : nil
      let stream = hidden.rows(0..<(outputs?.count ?? layout.rows))
      try attend(hidden, layer: index, pass, outputs: outputs)
      try feedForward(stream, layer: index, pass, outputs: outputs)
      add(pass, behind: index, to: stream, outputs: outputs)
      try taps.afterLayer?(index, stream)
    }
  }

  /// What all layers of one pass share.
  private struct Pass {
    let layout: SequenceLayout
    let angles: [RotaryAngles]
    let cache: KeyValueCache
    let additions: [StreamAddition]
    let taps: Taps
    let tape: ActivationTape?
    // What follows from the layout, once for all layers.
    let outputs: [Int]?
    /// The rows of the cache that keys and values go to, where these lie one behind the other.
    let contiguousRows: Range<Int>?
    /// The same in any order.
    let cacheRows: [Int]

    init(
      layout: SequenceLayout, angles: [RotaryAngles], cache: KeyValueCache, additions: [StreamAddition], taps: Taps,
      tape: ActivationTape?
    ) {
      self.layout = layout
      self.angles = angles
      self.cache = cache
      self.additions = additions
      self.taps = taps
      self.tape = tape
      outputs = layout.outputs
      contiguousRows = layout.contiguousRows
      cacheRows = layout.cacheRows
    }
  }

  /// A linear layer, and the adapter's update of it.
  ///
  /// - Parameter rows: of the pass, where the operand holds some of them only: what dropout depends on.
  private func project(
    _ projection: Projection, of layer: Int, _ operand: borrowing Operand, into output: Tensor,
    accumulate: Bool = false, _ pass: Pass, rows: Range<Int>? = nil, outputs: [Int]? = nil
  ) throws {
    guard let linear = adapted(layer)[projection] else { return }
    let target = LoRATarget(layer: layer, projection: projection)
    guard let adapter, let update = adapter[target] else {
      return try backend.apply(linear, to: operand, into: output, accumulate: accumulate)
    }
    let x = adapterInput(
      operand.floats, update, dropout: pass.tape?.dropout, rows: rows ?? 0..<operand.rows, outputs: outputs)
    try backend.apply(
      linear, adapter.factors(update),
      scale: try adapter.magnitudeScale(of: target)?.scale ?? adapter.parts.outputScales[target], to: operand, input: x,
      into: output,
      accumulate: accumulate, scratch: workspace.scaled)
  }

  /// What an update is applied to: the layer's own input, or what dropout leaves of it.
  ///
  /// - Parameters:
  ///   - rows: of the rows computed; `outputs` their places in the pass, where these are not all.
  func adapterInput(
    _ x: Tensor, _ update: LoRADelta, dropout: ActivationTape.Dropout?, rows: Range<Int>, outputs: [Int]?
  ) -> Tensor {
    guard let dropout, dropout.rate > 0 else { return x }
    let dropped = workspace.dropped.reserving(rows: rows.count, columns: update.inputs, on: backend)
    backend.dropout(
      x, rate: dropout.rate, rowKeys: rows.map { dropout.rowKeys[outputs?[$0] ?? $0] }, salt: update.target.salt,
      into: dropped)
    return dropped
  }

  // MARK: Attention

  /// Norm, and the keys of all rows, rotated and in the cache. The norm's output is lent, and left in the workspace.
  private func normalizeAndKey(
    _ hidden: Tensor, layer index: Int, _ pass: Pass, then: (borrowing Operand) throws -> Void = { _ in }
  ) throws {
    let layer = adapted(index)
    let normed = normed(rows: hidden.rows)
    backend.normalize(hidden, layer.inputNorm, groups: 1, into: normed)
    try backend.withOperand(normed) { operand in
      try toCache(pass.cache.keys(layer: index), pass) { keys in
        // The backward pass needs the norm's input.
        let raw = rawInput(of: keys, norm: layer.attention.keyNorm, pass.tape?.record(of: index).rawKeys)
        try project(.key, of: index, operand, into: raw, pass)
        backend.normalize(raw, layer.attention.keyNorm, into: keys)
        if let table = layer.attention.rotary {
          backend.rotate(keys, by: pass.angles[table], firstRow: 0, heads: layer.attention.shape.keyValueHeads)
        }
      }
      try then(operand)
    }
  }

  private func normed(rows: Int) -> Tensor { workspace.normed.reserving(rows: rows, columns: hiddenSize, on: backend) }

  /// Where a projection goes whose norm gives `output`: there too, or where a tape keeps it.
  private func rawInput(of output: Tensor, norm: Norm?, _ kept: ScratchTensor?) -> Tensor {
    guard norm != nil, let kept else { return output }
    return kept.reserving(rows: output.rows, columns: output.columns, on: backend)
  }

  /// Computes keys or values where they lie in the cache, or aside and then row by row into it.
  private func toCache(_ target: Tensor, _ pass: Pass, _ compute: (Tensor) throws -> Void) throws {
    if let rows = pass.contiguousRows { return try compute(target.rows(rows)) }
    let aside = workspace.keys.reserving(rows: pass.layout.rows, columns: target.columns, on: backend)
    try compute(aside)
    backend.scatter(aside, to: pass.cacheRows, of: target, accumulate: false)
  }

  private func attend(_ hidden: Tensor, layer index: Int, _ pass: Pass, outputs: [Int]?) throws {
    let layer = adapted(index)
    let attention = layer.attention
    let shape = attention.shape
    let record = pass.tape?.record(of: index)
    if let record {
      backend.copy(hidden, to: record.input.reserving(rows: hidden.rows, columns: hiddenSize, on: backend))
    }
    let rows = outputs?.count ?? hidden.rows
    let queries = (record?.queries ?? workspace.queries).reserving(rows: rows, columns: shape.queryWidth, on: backend)
    let rawQueries = rawInput(of: queries, norm: attention.queryNorm, record?.rawQueries)
    let output = (record?.attentionOutput ?? workspace.attentionOutput)
      .reserving(rows: rows, columns: shape.queryWidth, on: backend)
    try normalizeAndKey(hidden, layer: index, pass) { operand in
      try toCache(pass.cache.values(layer: index), pass) { try project(.value, of: index, operand, into: $0, pass) }
      if outputs == nil { try project(.query, of: index, operand, into: rawQueries, pass) }
    }
    let stream = hidden.rows(0..<rows)
    if let outputs {
      // The rows in question come first, in the stream and in its norm.
      let normed = normed(rows: hidden.rows)
      backend.gather(hidden, outputs, into: stream)
      backend.gather(normed, outputs, into: normed.rows(0..<rows))
      try backend.withOperand(normed.rows(0..<rows)) {
        try project(.query, of: index, $0, into: rawQueries, pass, outputs: outputs)
      }
    }
    backend.normalize(rawQueries, attention.queryNorm, into: queries)
    if let table = attention.rotary {
      let angles = pass.angles[table]
      backend.rotate(queries, by: outputs.map(angles.rows) ?? angles, firstRow: 0, heads: shape.heads)
    }
    try backend.attend(
      queries: queries, keys: pass.cache.keys(layer: index), values: pass.cache.values(layer: index), into: output,
      spans: outputs == nil ? pass.layout.spans(for: attention) : pass.layout.outputSpans(for: attention),
      shape: shape, adding: pass.taps.attentionSums?(index), hiding: ablatedHeads.hiddenKeys(layer: index))
    pass.taps.headOutputs?(index, output)
    replaceAblated(output, layer: index, pass, outputs: outputs)
    try addBranch(
      to: stream, norm: layer.attentionOutputNorm, scale: layer.attentionScale,
      kept: record?.attentionBranch.reserving(rows: rows, columns: hiddenSize, on: backend)
    ) { target, accumulate in
      try backend.withOperand(output) {
        try project(.output, of: index, $0, into: target, accumulate: accumulate, pass, outputs: outputs)
      }
    }
  }

  /// Puts what takes the place of ablated heads into the attention output.
  ///
  /// - Shape: attentionOutput [rows, H · D].
  private func replaceAblated(_ attentionOutput: Tensor, layer index: Int, _ pass: Pass, outputs: [Int]?) {
    clearAblated(attentionOutput, layer: index)
    guard case .mean(let means) = ablatedHeads.replacement, let layer = means.layers[index] else { return }
    let depth = layers[index].attention.shape.headDim
    let columns = ablatedHeads.replaced(layer: index).flatMap { $0 * depth..<($0 + 1) * depth }
    guard !columns.isEmpty, attentionOutput.rows > 0 else { return }
    func tensor(_ values: [Float]) -> Tensor {
      var chosen = [Float](repeating: 0, count: values.count)
      for column in columns { chosen[column] = values[column] }
      return backend.tensor(chosen, rows: 1)
    }
    let (image, text) = (tensor(layer.image), tensor(layer.text))
    let ones = backend.tensor([Float](repeating: 1, count: layer.text.count), rows: 1)
    let positions = pass.layout.positions
    let isImage = (outputs ?? Array(positions.indices)).map { ablatedHeads.isImage(positions[$0]) }
    var first = 0
    for end in 1...isImage.count where end == isImage.count || isImage[end] != isImage[first] {
      let rows = attentionOutput.rows(first..<end)
      backend.scaleColumns(rows, by: ones, bias: isImage[first] ? image : text, into: rows, accumulate: false)
      first = end
    }
  }

  /// Zeroes the attention output of ablated heads, or its gradient: what replaces them depends on nothing.
  ///
  /// - Shape: attentionOutput [rows, H · D].
  func clearAblated(_ attentionOutput: Tensor, layer index: Int) {
    let shape = layers[index].attention.shape
    for head in ablatedHeads.replaced(layer: index) {
      precondition(head < shape.heads)
      backend.zero(columns: head * shape.headDim..<(head + 1) * shape.headDim, of: attentionOutput)
    }
  }

  /// Adds up the attention weights of the last layer, for a pass that ends there: the prefix's queries matter only for
  /// what their attention gives, and no value does.
  private func addWeights(_ hidden: Tensor, layer index: Int, _ pass: Pass) throws {
    let attention = adapted(index).attention
    let shape = attention.shape
    let rows = pass.layout.rows
    let first = pass.layout.newPrefix
    let queries = workspace.queries.reserving(rows: rows, columns: shape.queryWidth, on: backend)
    let own = queries.rows(first..<rows)
    try normalizeAndKey(hidden, layer: index, pass)
    try backend.withOperand(normed(rows: rows).rows(first..<rows)) {
      try project(.query, of: index, $0, into: own, pass, rows: first..<rows)
    }
    backend.normalize(own, attention.queryNorm, into: own)
    if let table = attention.rotary {
      backend.rotate(own, by: pass.angles[table], firstRow: first, heads: shape.heads)
    }
    try backend.attend(
      queries: queries, keys: pass.cache.keys(layer: index), values: nil, into: nil,
      spans: pass.layout.spans(for: attention), shape: shape, adding: pass.taps.attentionSums?(index),
      hiding: ablatedHeads.hiddenKeys(layer: index))
  }

  // MARK: The MLP and the stream

  private func feedForward(_ hidden: Tensor, layer index: Int, _ pass: Pass, outputs: [Int]?) throws {
    let layer = adapted(index)
    let mlp = layer.feedForward
    let rows = hidden.rows
    let step = min(rows, mlpRows)
    let record = pass.tape?.record(of: index)
    let isAdapted = [Projection.gate, .up].contains { adapter?[LoRATarget(layer: index, projection: $0)] != nil }
    if let record {
      backend.copy(hidden, to: record.postAttention.reserving(rows: rows, columns: hiddenSize, on: backend))
    }
    for first in stride(from: 0, to: rows, by: step) {
      let chunk = first..<min(first + step, rows)
      let stream = hidden.rows(chunk)
      let inner = workspace.gate.reserving(rows: chunk.count, columns: mlp.up.outputs, on: backend)
      let normed = normed(rows: chunk.count)
      backend.normalize(stream, layer.feedForwardNorm, groups: 1, into: normed)
      try backend.withOperand(normed) { operand in
        if record == nil && !isAdapted {
          try backend.apply(mlp.activation, gate: mlp.gate, up: mlp.up, to: operand, into: inner)
        } else {
          try activate(operand, layer: index, pass, rows: chunk, of: rows, outputs: outputs, into: inner)
        }
      }
      try addBranch(
        to: stream, norm: layer.feedForwardOutputNorm, scale: layer.feedForwardScale,
        kept: record?.feedForwardBranch.reserving(rows: rows, columns: hiddenSize, on: backend).rows(chunk)
      ) { target, accumulate in
        try backend.withOperand(inner) {
          try project(
            .down, of: index, $0, into: target, accumulate: accumulate, pass, rows: chunk, outputs: outputs)
        }
      }
    }
  }

  /// What `down` takes, where a tape keeps the outputs of gate and up, or an adapter adds to them.
  ///
  /// - Parameter chunk: the operand's rows, of `rows`.
  private func activate(
    _ operand: borrowing Operand, layer index: Int, _ pass: Pass, rows chunk: Range<Int>, of rows: Int, outputs: [Int]?,
    into inner: Tensor
  ) throws {
    let mlp = adapted(index).feedForward
    let record = pass.tape?.record(of: index)
    func room(_ kept: ScratchTensor?) -> Tensor? {
      kept?.reserving(rows: rows, columns: inner.columns, on: backend).rows(chunk)
    }
    guard mlp.gate != nil else {
      let up = room(record?.up) ?? inner
      try project(.up, of: index, operand, into: up, pass, rows: chunk, outputs: outputs)
      if record != nil { backend.copy(up, to: inner) }
      return backend.activate(mlp.activation, inner)
    }
    let gate = room(record?.gate) ?? inner
    let up = room(record?.up) ?? workspace.up.reserving(rows: chunk.count, columns: inner.columns, on: backend)
    try project(.gate, of: index, operand, into: gate, pass, rows: chunk, outputs: outputs)
    try project(.up, of: index, operand, into: up, pass, rows: chunk, outputs: outputs)
    backend.activate(mlp.activation, gate: gate, up: up, into: inner)
  }

  /// stream += scale · norm(branch), the branch being what `compute` writes.
  ///
  /// - Parameter kept: keeps the branch for the backward pass.
  private func addBranch(
    to stream: Tensor, norm: Norm?, scale: Tensor?, kept: @autoclosure () -> Tensor?,
    _ compute: (_ target: Tensor, _ accumulate: Bool) throws -> Void
  ) throws {
    guard norm != nil || scale != nil else { return try compute(stream, true) }
    func room(_ scratch: ScratchTensor) -> Tensor {
      scratch.reserving(rows: stream.rows, columns: hiddenSize, on: backend)
    }
    let branch = kept() ?? room(workspace.branch)
    try compute(branch, false)
    backend.add(branch, norm: norm, scale: scale, to: stream, normed: room(workspace.normedBranch))
  }

  /// What is added to the stream behind a layer.
  private func add(_ pass: Pass, behind index: Int, to stream: Tensor, outputs: [Int]?) {
    for addition in pass.additions where addition.afterLayer == index {
      var (chosen, rows) = addition.rows(in: pass.layout)
      var values = addition.values.rows(chosen)
      if let outputs {
        // Of a layer that computes some rows only.
        let places = Dictionary(uniqueKeysWithValues: outputs.enumerated().map { ($1, $0) })
        let kept = rows.indices.filter { places[rows[$0]] != nil }
        let some = workspace.added.reserving(rows: kept.count, columns: hiddenSize, on: backend)
        backend.gather(values, kept, into: some)
        (values, rows) = (some, kept.compactMap { places[rows[$0]] })
      }
      backend.scatter(values, to: rows, of: stream, accumulate: true)
    }
  }
}

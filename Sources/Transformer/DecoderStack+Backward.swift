import Kernels

/// The backward pass: gradients of the adapter's numbers. Frozen weights get none; only the stream's gradient flows through them,
/// and it ends at the lowest layer of the tape.
extension DecoderStack {
  /// Adds to `gradients` those of the adapter's numbers, from the gradient of what the recorded pass left in the stream.
  ///
  /// Each segment's gradients are kept apart: they have the bits of a pass over this segment alone.
  ///
  /// - Shape: gradient [outputs that matter, C]; its contents are used up. gradients [segments, adapter's count], each row
  ///   as `LowRankAdapter.parameters`.
  /// - Parameters:
  ///   - tape: of a pass without a cached prefix, whose keys and values are still in `cache`. It is used up.
  ///   - afterLayer: called after each layer; a thrown error ends the pass.
  /// - Throws: what `afterLayer` throws.
  public func backward(
    _ gradient: Tensor, tape: ActivationTape, cache: KeyValueCache, into gradients: Tensor,
    afterLayer: () throws -> Void = {}
  ) throws {
    guard let adapter, let angles = tape.angles else { return }
    precondition(tape.layout.prefix == 0 && tape.layout.contiguousRows == 0..<tape.layout.rows)
    precondition(adapter.parts.isEmpty, "there is no backward pass through parts that an adapter replaces")
    precondition(gradients.rows == tape.layout.segments.count && gradients.columns == adapter.count)
    precondition(
      ablatedHeads.replacement != .knockout, "there is no backward pass through attention that is knocked out")
    var gradient = gradient
    for index in tape.layers.reversed() {
      let pass = BackwardPass(
        index: index, layer: layers[index], tape: tape, angles: angles, cache: cache, adapter: adapter,
        gradients: gradients, outputs: index == layers.count - 1 ? tape.layout.outputs : nil,
        isLowest: index == tape.layers.lowerBound)
      precondition(gradient.rows == pass.rows)
      try feedForwardBackward(gradient, pass)
      gradient = try attendBackward(gradient, pass)
      try afterLayer()
    }
  }

  /// What the steps back through one layer share.
  private struct BackwardPass {
    let index: Int
    let layer: TransformerLayer
    let tape: ActivationTape
    let angles: [RotaryAngles]
    let cache: KeyValueCache
    let adapter: LowRankAdapter
    let gradients: Tensor
    let outputs: [Int]?
    /// Below this layer nobody needs a gradient.
    let isLowest: Bool

    var record: ActivationTape.Record { tape.record(of: index) }
    var rows: Int { outputs?.count ?? tape.layout.rows }

    func update(_ projection: Projection) -> LoRADelta? {
      adapter[LoRATarget(layer: index, projection: projection)]
    }

    /// How many rows of each segment this layer computes: all, or those whose output matters.
    private func lengths(_ outputs: [Int]?) -> [Int] {
      outputs == nil ? tape.layout.segments : tape.layout.outputRowsAtEnd ?? tape.layout.segments
    }

    /// Some of a layer's rows by their segments: the places among these rows, and where the segment's gradients go.
    func parts(of rows: Range<Int>, _ outputs: [Int]?) -> [(rows: Range<Int>, gradients: Tensor)] {
      var end = 0
      return lengths(outputs).enumerated().compactMap { segment, length in
        let own = (end..<end + length).clamped(to: rows)
        end += length
        guard !own.isEmpty else { return nil }
        return (
          own.lowerBound - rows.lowerBound..<own.upperBound - rows.lowerBound, gradients.rows(segment..<segment + 1)
        )
      }
    }

    /// The layer's rows, so many at a time: a segment is cut where it would be alone.
    func pieces(of most: Int) -> [Range<Int>] {
      var pieces: [Range<Int>] = []
      var (start, end) = (0, 0)
      for length in lengths(outputs) {
        if end > start, end + length - start > most {
          pieces.append(start..<end)
          start = end
        }
        end += length
        while end - start > most {
          pieces.append(start..<start + most)
          start += most
        }
      }
      return end > start ? pieces + [start..<end] : pieces
    }
  }

  /// Back through an update: adds its gradients, segment by segment, and that of its input to dx.
  private func updateBackward(
    _ update: LoRADelta, _ pass: BackwardPass, x: Tensor, dy: Tensor, into dx: Tensor?,
    parts: [(rows: Range<Int>, gradients: Tensor)]
  ) throws {
    for (rows, gradients) in parts {
      try backend.lowRankBackward(
        pass.adapter.factors(update), x: x.rows(rows), dy: dy.rows(rows), dA: update.a(of: gradients),
        dB: update.b(of: gradients), dx: dx?.rows(rows))
    }
  }

  /// Back through a linear layer and its update: adds the update's gradients, and gives that of the input.
  ///
  /// - Parameters:
  ///   - x: the layer's input. - Shape: [dy.rows, in]
  ///   - dx: nil where nobody needs it.
  private func projectBackward(
    _ projection: Projection, _ pass: BackwardPass, x: Tensor, dy: Tensor, into dx: Tensor?,
    accumulate: Bool = false, rows: Range<Int>, outputs: [Int]?
  ) throws {
    guard let linear = pass.layer[projection] else { return }
    if let update = pass.update(projection), let scale = try pass.adapter.magnitudeScale(of: update.target) {
      return try scaledBackward(
        linear, update, scale, pass, x: x, dy: dy, into: dx, accumulate: accumulate,
        parts: pass.parts(of: rows, outputs))
    }
    if let dx {
      try backend.withOperand(dy) { try backend.applyBackward(linear, to: $0, into: dx, accumulate: accumulate) }
    }
    guard let update = pass.update(projection) else { return }
    let dropout = pass.tape.dropout.flatMap { $0.rate > 0 ? $0 : nil }
    let input = adapterInput(x, update, dropout: dropout, rows: rows, outputs: outputs)
    var target = dx
    if dropout != nil, dx != nil {
      // What reaches x through the update went through the dropout.
      let through = workspace.dropoutGradient.reserving(rows: rows.count, columns: update.inputs, on: backend)
      backend.zero(through)
      target = through
    }
    try updateBackward(update, pass, x: input, dy: dy, into: target, parts: pass.parts(of: rows, outputs))
    if let dropout, let dx, let target {
      backend.dropout(
        target, rate: dropout.rate, rowKeys: rows.map { dropout.rowKeys[outputs?[$0] ?? $0] },
        salt: update.target.salt, into: target)
      backend.add(target, to: dx)
    }
  }

  /// The same through magnitudes, y = scale · p + b with p = W x + scaling · B (A x). The norm in the scale is a constant, as in
  /// PEFT (section 4.3 of arXiv 2402.09353).
  private func scaledBackward(
    _ linear: Linear, _ update: LoRADelta, _ scale: MagnitudeScale, _ pass: BackwardPass, x: Tensor, dy: Tensor,
    into dx: Tensor?, accumulate: Bool, parts: [(rows: Range<Int>, gradients: Tensor)]
  ) throws {
    precondition(pass.tape.dropout.map { $0.rate == 0 } ?? true, "magnitudes are trained without dropout")
    let factors = pass.adapter.factors(update)
    // p as the forward pass had it.
    let product = workspace.scaled.reserving(rows: dy.rows, columns: update.outputs, on: backend)
    try backend.withOperand(x) {
      try backend.apply(Linear(weight: linear.weight), to: $0, into: product, accumulate: false)
    }
    try backend.applyLowRank(factors, to: x, into: product)
    let dots = workspace.magnitudeGradient.reserving(rows: 1, columns: update.outputs, on: backend)
    for (rows, gradients) in parts {
      guard let magnitudes = update.magnitude(of: gradients) else { continue }
      backend.zero(dots)
      backend.addColumnDots(dy.rows(rows), product.rows(rows), to: dots)
      backend.scaleColumns(dots, by: scale.inverseNorm, bias: nil, into: magnitudes, accumulate: true)
    }
    let dProduct = product
    backend.scaleColumns(dy, by: scale.scale, bias: nil, into: dProduct, accumulate: false)
    if let dx {
      try backend.withOperand(dProduct) { try backend.applyBackward(linear, to: $0, into: dx, accumulate: accumulate) }
    }
    try updateBackward(update, pass, x: x, dy: dProduct, into: dx, parts: parts)
  }

  /// From the gradient of the stream behind a branch to that of the branch itself: back through layer scale and the norm
  /// behind it.
  private func branchBackward(_ gradient: Tensor, norm: Norm?, scale: Tensor?, branch: () -> Tensor) -> Tensor {
    var gradient = gradient
    if let scale {
      let scaled = workspace.branch.reserving(rows: gradient.rows, columns: hiddenSize, on: backend)
      backend.scaleColumns(gradient, by: scale, bias: nil, into: scaled, accumulate: false)
      gradient = scaled
    }
    if let norm { gradient = normBackward(gradient, x: branch(), norm, into: workspace.normedBranch) }
    return gradient
  }

  /// The gradient of a norm's input, in `scratch`.
  private func normBackward(_ dy: Tensor, x: Tensor, _ norm: Norm, into scratch: ScratchTensor) -> Tensor {
    let dx = scratch.reserving(rows: dy.rows, columns: dy.columns, on: backend)
    backend.zero(dx)
    backend.normalizeBackward(dy, x: x, norm, groups: norm.groups(of: x), into: dx)
    return dx
  }

  // MARK: The MLP

  /// gradient: from that of the layer's output to that of the stream between attention and MLP.
  private func feedForwardBackward(_ gradient: Tensor, _ pass: BackwardPass) throws {
    let layer = pass.layer
    let mlp = layer.feedForward
    let record = pass.record
    for rows in pass.pieces(of: mlpRows) {
      let stream = gradient.rows(rows)
      func recorded(_ kept: ScratchTensor, _ columns: Int) -> Tensor {
        kept.tensor(rows: pass.rows, columns: columns).rows(rows)
      }
      func scratch(_ tensor: ScratchTensor, _ columns: Int) -> Tensor {
        tensor.reserving(rows: rows.count, columns: columns, on: backend)
      }
      let width = mlp.up.outputs
      let gate = mlp.gate.map { _ in recorded(record.gate, width) }
      let up = recorded(record.up, width)
      let inner = scratch(workspace.gate, width)
      let dInner = scratch(workspace.up, width)
      if pass.update(.down) != nil { activateAgain(mlp.activation, gate: gate, up: up, into: inner) }
      let dBranch = branchBackward(stream, norm: layer.feedForwardOutputNorm, scale: layer.feedForwardScale) {
        recorded(record.feedForwardBranch, hiddenSize)
      }
      try projectBackward(.down, pass, x: inner, dy: dBranch, into: dInner, rows: rows, outputs: pass.outputs)
      if let gate {
        backend.activateBackward(mlp.activation, dInner, gate: gate, up: up)
      } else {
        backend.activateBackward(mlp.activation, dInner, x: up)
      }
      let postAttention = recorded(record.postAttention, hiddenSize)
      let normed = scratch(workspace.normed, hiddenSize)
      let dNormed = scratch(workspace.gradient, hiddenSize)
      backend.normalize(postAttention, layer.feedForwardNorm, groups: 1, into: normed)
      if let gate {
        try projectBackward(.gate, pass, x: normed, dy: gate, into: dNormed, rows: rows, outputs: pass.outputs)
      }
      try projectBackward(
        .up, pass, x: normed, dy: up, into: dNormed, accumulate: gate != nil, rows: rows, outputs: pass.outputs)
      backend.normalizeBackward(dNormed, x: postAttention, layer.feedForwardNorm, groups: 1, into: stream)
    }
  }

  /// The MLP's inner activations from what the tape kept of them.
  private func activateAgain(_ activation: Activation, gate: Tensor?, up: Tensor, into inner: Tensor) {
    if let gate {
      backend.activate(activation, gate: gate, up: up, into: inner)
    } else {
      backend.copy(up, to: inner)
      backend.activate(activation, inner)
    }
  }

  // MARK: Attention

  /// From the gradient of the stream between attention and MLP to that of the layer's input.
  ///
  /// - Returns: [layout.rows, C]; what it holds is undefined below the lowest layer.
  private func attendBackward(_ gradient: Tensor, _ pass: BackwardPass) throws -> Tensor {
    let layer = pass.layer
    let shape = layer.attention.shape
    let record = pass.record
    let (rows, all) = (pass.rows, pass.tape.layout.rows)
    let dOutput = workspace.attentionOutput.reserving(rows: rows, columns: shape.queryWidth, on: backend)
    let dBranch = branchBackward(gradient, norm: layer.attentionOutputNorm, scale: layer.attentionScale) {
      record.attentionBranch.tensor(rows: rows, columns: hiddenSize)
    }
    // The update was applied to what the heads gave, with the ablated ones left out.
    let output = record.attentionOutput.tensor(rows: rows, columns: shape.queryWidth)
    try projectBackward(.output, pass, x: output, dy: dBranch, into: dOutput, rows: 0..<rows, outputs: pass.outputs)
    clearAblated(dOutput, layer: pass.index)
    let adaptsInputs = [Projection.query, .key, .value].contains { pass.update($0) != nil }
    guard !pass.isLowest || adaptsInputs else { return gradient }

    let inputs = try inputGradients(dOutput, pass)
    let input = record.input.tensor(rows: all, columns: hiddenSize)
    let normed = workspace.normed.reserving(rows: all, columns: hiddenSize, on: backend)
    backend.normalize(input, layer.inputNorm, groups: 1, into: normed)
    let dNormed = pass.isLowest ? nil : workspace.gradient.reserving(rows: all, columns: hiddenSize, on: backend)
    try projectBackward(.key, pass, x: normed, dy: inputs.keys, into: dNormed, rows: 0..<all, outputs: nil)
    try projectBackward(
      .value, pass, x: normed, dy: inputs.values, into: dNormed, accumulate: true, rows: 0..<all, outputs: nil)
    guard let outputs = pass.outputs else {
      try projectBackward(
        .query, pass, x: normed, dy: inputs.queries, into: dNormed, accumulate: true, rows: 0..<rows, outputs: nil)
      if let dNormed { backend.normalizeBackward(dNormed, x: input, layer.inputNorm, groups: 1, into: gradient) }
      return gradient
    }
    let some = normed.rows(0..<rows)
    backend.gather(normed, outputs, into: some)
    let dSome = dNormed.map { _ in workspace.someGradient.reserving(rows: rows, columns: hiddenSize, on: backend) }
    try projectBackward(.query, pass, x: some, dy: inputs.queries, into: dSome, rows: 0..<rows, outputs: outputs)
    guard let dNormed, let dSome else { return gradient }
    backend.scatter(dSome, to: outputs, of: dNormed, accumulate: true)
    // The rows in question go to their places, the others have no gradient yet.
    let whole = workspace.streamGradient.reserving(rows: all, columns: hiddenSize, on: backend)
    backend.zero(whole)
    backend.scatter(gradient, to: outputs, of: whole, accumulate: false)
    backend.normalizeBackward(dNormed, x: input, layer.inputNorm, groups: 1, into: whole)
    return whole
  }

  /// The gradients of what the projections of queries, keys and values gave.
  private func inputGradients(
    _ dOutput: Tensor, _ pass: BackwardPass
  ) throws -> (queries: Tensor, keys: Tensor, values: Tensor) {
    let attention = pass.layer.attention
    let shape = attention.shape
    let (rows, all) = (pass.rows, pass.tape.layout.rows)
    var dQueries = workspace.queries.reserving(rows: rows, columns: shape.queryWidth, on: backend)
    var dKeys = workspace.keys.reserving(rows: all, columns: shape.keyValueWidth, on: backend)
    let dValues = workspace.values.reserving(rows: all, columns: shape.keyValueWidth, on: backend)
    let layout = pass.tape.layout
    try backend.attendBackward(
      dOutput, queries: pass.record.queries.tensor(rows: rows, columns: shape.queryWidth),
      keys: pass.cache.keys(layer: pass.index).rows(0..<all),
      values: pass.cache.values(layer: pass.index).rows(0..<all),
      dQueries: dQueries, dKeys: dKeys, dValues: dValues,
      spans: pass.outputs == nil ? layout.spans(for: attention) : layout.outputSpans(for: attention), shape: shape)
    if let table = attention.rotary {
      let angles = pass.angles[table]
      backend.rotateBackward(dQueries, by: pass.outputs.map(angles.rows) ?? angles, heads: shape.heads)
      backend.rotateBackward(dKeys, by: angles, heads: shape.keyValueHeads)
    }
    if let norm = attention.queryNorm {
      let raw = pass.record.rawQueries.tensor(rows: rows, columns: shape.queryWidth)
      dQueries = normBackward(dQueries, x: raw, norm, into: workspace.queryNormGradient)
    }
    if let norm = attention.keyNorm {
      let raw = pass.record.rawKeys.tensor(rows: all, columns: shape.keyValueWidth)
      dKeys = normBackward(dKeys, x: raw, norm, into: workspace.keyNormGradient)
    }
    return (dQueries, dKeys, dValues)
  }
}

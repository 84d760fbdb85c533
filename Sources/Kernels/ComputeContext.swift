import CVectorMath

// The pointers of before `Backend`: goes when nobody above uses them any more.

public typealias ComputeContext = CPUBackend

private final class Nobody: Sendable {}

extension Tensor {
  fileprivate init(_ base: UnsafePointer<Float>, _ rows: Int, _ columns: Int) {
    self.init(owner: Nobody(), base: UnsafeRawPointer(base), elementType: .f32, rows: rows, columns: columns)
  }
}

/// Shown the attention weights of one head and query row, after the softmax.
public typealias AttentionWeightsTap = (
  _ span: Int, _ head: Int, _ row: Int, _ weights: UnsafeBufferPointer<Float>
) -> Void

extension LowRankFactors {
  public init(
    a: UnsafePointer<Float>, b: UnsafePointer<Float>, rank: Int, inputs: Int, outputs: Int, scaling: Float
  ) {
    self.init(a: Tensor(a, rank, inputs), b: Tensor(b, outputs, rank), scaling: scaling)
  }

  public func addRow(_ index: Int, to output: UnsafeMutablePointer<Float>) {
    let (a, b) = (a.floatBase, b.floatBase)
    for column in 0..<outputs {
      var sum: Float = 0
      for row in 0..<rank { sum += a[row * inputs + index] * b[column * rank + row] }
      output[column] += scaling * sum
    }
  }
}

extension Operand {
  public func withFloats<R>(_ body: (UnsafePointer<Float>) throws -> R) rethrows -> R { try body(floats.floatBase) }
}

extension CPUBackend {
  public func withOperand<R>(
    _ x: UnsafePointer<Float>, rows: Int, columns: Int, _ body: (borrowing Operand) throws -> R
  ) rethrows -> R {
    try withOperand(Tensor(x, rows, columns), body)
  }

  public func apply(
    _ layer: Linear, to x: UnsafePointer<Float>, rows: Int, into output: UnsafeMutablePointer<Float>,
    accumulate: Bool = false
  ) throws {
    try withOperand(x, rows: rows, columns: layer.inputs) {
      try apply(layer, to: $0, into: output, accumulate: accumulate)
    }
  }

  public func apply(
    _ layer: Linear, to x: borrowing Operand, into output: UnsafeMutablePointer<Float>, accumulate: Bool = false
  ) throws {
    try apply(layer, to: x, into: Tensor(output, x.rows, layer.outputs), accumulate: accumulate)
  }

  public func applyBackward(
    _ layer: Linear, to dy: UnsafePointer<Float>, rows: Int, into output: UnsafeMutablePointer<Float>,
    accumulate: Bool = false
  ) throws {
    try withOperand(dy, rows: rows, columns: layer.outputs) {
      try applyBackward(layer, to: $0, into: output, accumulate: accumulate)
    }
  }

  public func applyBackward(
    _ layer: Linear, to dy: borrowing Operand, into output: UnsafeMutablePointer<Float>, accumulate: Bool = false
  ) throws {
    try applyBackward(layer, to: dy, into: Tensor(output, dy.rows, layer.inputs), accumulate: accumulate)
  }

  public func applyLowRank(
    _ factors: LowRankFactors, to x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, rows: Int,
    scratch: inout AlignedBuffer<Float>
  ) throws {
    try applyLowRank(factors, to: Tensor(x, rows, factors.inputs), into: Tensor(y, rows, factors.outputs))
  }

  public func lowRankBackward(
    _ factors: LowRankFactors, x: UnsafePointer<Float>, dy: UnsafePointer<Float>, dA: UnsafeMutablePointer<Float>,
    dB: UnsafeMutablePointer<Float>, dx: UnsafeMutablePointer<Float>?, rows: Int, scratch: inout AlignedBuffer<Float>
  ) throws {
    try lowRankBackward(
      factors, x: Tensor(x, rows, factors.inputs), dy: Tensor(dy, rows, factors.outputs),
      dA: Tensor(dA, factors.rank, factors.inputs), dB: Tensor(dB, factors.outputs, factors.rank),
      dx: dx.map { Tensor($0, rows, factors.inputs) })
  }

  public func dropout(
    _ x: UnsafePointer<Float>, rate: Float, rowKeys: [UInt64], salt: UInt64, into out: UnsafeMutablePointer<Float>,
    columns: Int
  ) {
    dropout(
      Tensor(x, rowKeys.count, columns), rate: rate, rowKeys: rowKeys, salt: salt,
      into: Tensor(out, rowKeys.count, columns))
  }

  public func scale(
    _ x: UnsafePointer<Float>, by scale: [Float], bias: Tensor?, into out: UnsafeMutablePointer<Float>, rows: Int,
    accumulate: Bool
  ) {
    scaleColumns(
      Tensor(x, rows, scale.count), by: Tensor(scale), bias: bias, into: Tensor(out, rows, scale.count),
      accumulate: accumulate)
  }

  public func rmsNorm(
    _ x: UnsafePointer<Float>, weight: [Float], eps: Float, into out: UnsafeMutablePointer<Float>, rows: Int
  ) {
    let columns = weight.count
    normalize(
      Tensor(x, rows, columns), Norm(.rms, weight: Tensor(weight), eps: eps), groups: 1,
      into: Tensor(out, rows, columns))
  }

  public func rmsNormBackward(
    _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, weight: [Float], eps: Float,
    into dx: UnsafeMutablePointer<Float>, rows: Int
  ) {
    let columns = weight.count
    normalizeBackward(
      Tensor(dy, rows, columns), x: Tensor(x, rows, columns), Norm(.rms, weight: Tensor(weight), eps: eps), groups: 1,
      into: Tensor(dx, rows, columns))
  }

  public func layerNorm(
    _ x: UnsafePointer<Float>, weight: [Float], bias: [Float], eps: Float, into out: UnsafeMutablePointer<Float>,
    rows: Int
  ) {
    let columns = weight.count
    normalize(
      Tensor(x, rows, columns), Norm(.layer, weight: Tensor(weight), bias: Tensor(bias), eps: eps), groups: 1,
      into: Tensor(out, rows, columns))
  }

  public func activate(_ activation: Activation, _ x: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    activate(activation, Tensor(x, rows, columns))
  }

  public func siluMultiply(
    _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, rows: Int,
    columns: Int
  ) {
    activate(.silu, gate: Tensor(gate, rows, columns), up: Tensor(up, rows, columns), into: Tensor(out, rows, columns))
  }

  public func siluMultiplyBackward(
    _ dy: UnsafePointer<Float>, gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, rows: Int,
    columns: Int
  ) {
    activateBackward(
      .silu, Tensor(dy, rows, columns), gate: Tensor(gate, rows, columns), up: Tensor(up, rows, columns))
  }

  public func rotate(
    _ x: UnsafeMutablePointer<Float>, by angles: RotaryAngles, from firstRow: Int = 0, rows: Int, heads: Int
  ) {
    rotate(Tensor(x, rows, heads * 2 * angles.half), by: angles, firstRow: firstRow, heads: heads)
  }

  public func rotateBackward(_ x: UnsafeMutablePointer<Float>, by angles: RotaryAngles, rows: Int, heads: Int) {
    rotateBackward(Tensor(x, rows, heads * 2 * angles.half), by: angles, heads: heads)
  }

  public func add(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
    add(Tensor(x, 1, count), to: Tensor(y, 1, count))
  }

  public func crossEntropy(
    _ logits: UnsafeMutablePointer<Float>, vocabulary: Int, targets: ArraySlice<Int32>
  ) -> [Double] {
    crossEntropy(Tensor(logits, targets.count, vocabulary), targets: targets)
  }

  public func attend(
    queries: UnsafePointer<Float>, keys: UnsafePointer<Float>, values: UnsafePointer<Float>?,
    into output: UnsafeMutablePointer<Float>?, spans: [AttentionSpan], shape: AttentionShape,
    scratch: inout AlignedBuffer<Float>, tap: AttentionWeightsTap? = nil
  ) throws {
    let rows = spans.map(\.queries.upperBound).max() ?? 0
    let keyRows = spans.map { max($0.sharedKeys, $0.ownKeys.upperBound) }.max() ?? 0
    try attend(
      queries: Tensor(queries, rows, shape.queryWidth), keys: Tensor(keys, keyRows, shape.keyValueWidth),
      values: values.map { Tensor($0, keyRows, shape.keyValueWidth) },
      into: output.map { Tensor($0, rows, shape.queryWidth) }, spans: spans, shape: shape,
      observer: tap.map { tap in
        { span, head, row, places, weights in
          tap(span, head, row, UnsafeBufferPointer(start: weights, count: places.count))
        }
      })
  }

  public func attendBackward(
    _ dOutput: UnsafePointer<Float>, queries: UnsafePointer<Float>, keys: UnsafePointer<Float>,
    values: UnsafePointer<Float>, dQueries: UnsafeMutablePointer<Float>, dKeys: UnsafeMutablePointer<Float>,
    dValues: UnsafeMutablePointer<Float>, keyRows: Int, spans: [AttentionSpan], shape: AttentionShape,
    scratch: inout AlignedBuffer<Float>
  ) throws {
    let rows = spans.map(\.queries.upperBound).max() ?? 0
    let (wide, narrow) = (shape.queryWidth, shape.keyValueWidth)
    try attendBackward(
      Tensor(dOutput, rows, wide), queries: Tensor(queries, rows, wide), keys: Tensor(keys, keyRows, narrow),
      values: Tensor(values, keyRows, narrow), dQueries: Tensor(dQueries, rows, wide),
      dKeys: Tensor(dKeys, keyRows, narrow), dValues: Tensor(dValues, keyRows, narrow), spans: spans, shape: shape)
  }
}

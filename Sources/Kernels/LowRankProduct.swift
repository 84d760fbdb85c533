import CVectorMath

/// A low-rank update's numbers: Δy = scaling · B (A x).
///
/// - Shape: a [rank, in], b [out, rank].
public struct LowRankFactors {
  public let a: UnsafePointer<Float>
  public let b: UnsafePointer<Float>
  public let rank: Int
  public let inputs: Int
  public let outputs: Int
  public let scaling: Float

  public init(
    a: UnsafePointer<Float>, b: UnsafePointer<Float>, rank: Int, inputs: Int, outputs: Int, scaling: Float
  ) {
    self.a = a
    self.b = b
    self.rank = rank
    self.inputs = inputs
    self.outputs = outputs
    self.scaling = scaling
  }
}

/// Low-rank updates and their gradients, always in float32. Work is cut into pieces of a fixed size, so that no sum depends
/// on the number of threads.
extension ComputeContext {
  private static let rowsAPiece = 64
  private static let columnsAPiece = 256

  /// y += scaling · B (A x).
  ///
  /// - Shape: x [rows, in], y [rows, out].
  /// - Throws: where oneDNN has no memory for its scratch.
  public func applyLowRank(
    _ factors: LowRankFactors, to x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, rows: Int,
    scratch: inout AlignedBuffer<Float>
  ) throws(OneDNNError) {
    let (rank, inputs, outputs) = (factors.rank, factors.inputs, factors.outputs)
    scratch.reserve(rows * rank)
    let low = scratch.base
    try forEachPiece(of: rows, size: Self.rowsAPiece, work: rows * rank * (inputs + outputs)) {
      range throws(OneDNNError) in
      let (first, count) = (range.lowerBound, range.count)
      try project(x, factors, into: low, first..<first + count)
      try multiplySerially(
        low + first * rank, stride: rank, factors.b, stride: rank, isTransposed: true, into: y + first * outputs,
        stride: outputs, rows: count, columns: outputs, depth: rank, accumulate: true)
    }
  }

  /// The gradients of A and B, and of x, from dy, that of the layer's output.
  ///
  /// - Shape: x [rows, in], dy [rows, out], dA as A, dB as B, dx [rows, in].
  /// - Parameters:
  ///   - x: what the update was applied to.
  ///   - dx: added to; nil where nobody needs it.
  public func lowRankBackward(
    _ factors: LowRankFactors, x: UnsafePointer<Float>, dy: UnsafePointer<Float>, dA: UnsafeMutablePointer<Float>,
    dB: UnsafeMutablePointer<Float>, dx: UnsafeMutablePointer<Float>?, rows: Int, scratch: inout AlignedBuffer<Float>
  ) throws(OneDNNError) {
    let (rank, inputs, outputs) = (factors.rank, factors.inputs, factors.outputs)
    scratch.reserve(2 * rows * rank)
    let low = scratch.base
    let dLow = low + rows * rank
    try forEachPiece(of: rows, size: Self.rowsAPiece, work: rows * rank * (2 * inputs + outputs)) {
      range throws(OneDNNError) in
      let (first, count) = (range.lowerBound, range.count)
      try project(x, factors, into: low, range)
      try multiplySerially(
        dy + first * outputs, stride: outputs, factors.b, stride: rank, isTransposed: false, into: dLow + first * rank,
        stride: rank, rows: count, columns: rank, depth: outputs, accumulate: false)
      headimpact_scale(dLow + first * rank, factors.scaling, count * rank)
      guard let dx else { return }
      try multiplySerially(
        dLow + first * rank, stride: rank, factors.a, stride: inputs, isTransposed: false, into: dx + first * inputs,
        stride: inputs, rows: count, columns: inputs, depth: rank, accumulate: true)
    }
    try forEachPiece(of: outputs, size: Self.columnsAPiece, work: rows * rank * outputs) { range throws(OneDNNError) in
      try multiplySerially(
        dy + range.lowerBound, stride: outputs, isATransposed: true, low, stride: rank, isTransposed: false,
        into: dB + range.lowerBound * rank, stride: rank, rows: range.count, columns: rank, depth: rows,
        accumulate: true)
    }
    try forEachPiece(of: inputs, size: Self.columnsAPiece, work: rows * rank * inputs) { range throws(OneDNNError) in
      try multiplySerially(
        dLow, stride: rank, isATransposed: true, x + range.lowerBound, stride: inputs, isTransposed: false,
        into: dA + range.lowerBound, stride: inputs, rows: rank, columns: range.count, depth: rows, accumulate: true)
    }
  }

  /// low = scaling · x Aᵀ, for some rows.
  private func project(
    _ x: UnsafePointer<Float>, _ factors: LowRankFactors, into low: UnsafeMutablePointer<Float>, _ rows: Range<Int>
  ) throws(OneDNNError) {
    let (first, rank, inputs) = (rows.lowerBound, factors.rank, factors.inputs)
    try multiplySerially(
      x + first * inputs, stride: inputs, factors.a, stride: inputs, isTransposed: true, into: low + first * rank,
      stride: rank, rows: rows.count, columns: rank, depth: inputs, accumulate: false)
    headimpact_scale(low + first * rank, factors.scaling, rows.count * rank)
  }

  private func forEachPiece(
    of count: Int, size: Int, work: Int, _ body: (Range<Int>) throws(OneDNNError) -> Void
  ) throws(OneDNNError) {
    try team.forEach((count + size - 1) / size, work: work) { piece, _ throws(OneDNNError) in
      try body(piece * size..<min(count, (piece + 1) * size))
    }
  }

  /// out = x with a share of its elements set to 0 and the others scaled up by as much (dropout). Which ones depends only on
  /// the row's key, the salt and the column.
  ///
  /// - Shape: x, out [rowKeys.count, columns]; out may be x.
  public func dropout(
    _ x: UnsafePointer<Float>, rate: Float, rowKeys: [UInt64], salt: UInt64, into out: UnsafeMutablePointer<Float>,
    columns: Int
  ) {
    team.forEachRange(of: rowKeys.count, work: rowKeys.count * columns * 4) { range in
      for row in range {
        headimpact_dropout(x + row * columns, rate, rowKeys[row] ^ salt, out + row * columns, columns)
      }
    }
  }
}

import CVectorMath

/// Low-rank updates and their gradients, always in float32. Work is cut into pieces of a fixed size, so that no sum depends
/// on the number of threads.
extension CPUBackend {
  private static let rowsAPiece = 64
  private static let columnsAPiece = 256

  public func applyLowRank(_ factors: LowRankFactors, to x: Tensor, into y: Tensor) throws {
    let (rank, outputs) = (factors.rank, factors.outputs)
    precondition(x.columns == factors.inputs && y.rows == x.rows && y.columns == outputs)
    lowRank.reserve(x.rows * rank)
    let (low, b, to) = (lowRank.base, factors.b.floatBase, y.floatBase)
    forEachPiece(of: x.rows, size: Self.rowsAPiece, work: x.rows * rank * (factors.inputs + outputs)) {
      range in
      let first = range.lowerBound
      project(x, factors, into: low, range)
      multiplySerially(
        low + first * rank, stride: rank, b, stride: rank, isTransposed: true, into: to + first * outputs,
        stride: outputs, rows: range.count, columns: outputs, depth: rank, accumulate: true)
    }
  }

  public func lowRankBackward(
    _ factors: LowRankFactors, x: Tensor, dy: Tensor, dA: Tensor, dB: Tensor, dx: Tensor?
  ) throws {
    let (rows, rank, inputs, outputs) = (x.rows, factors.rank, factors.inputs, factors.outputs)
    precondition(x.columns == inputs && dy.rows == rows && dy.columns == outputs)
    precondition(dA.count == factors.a.count && dB.count == factors.b.count && dx?.count ?? x.count == x.count)
    lowRank.reserve(2 * rows * rank)
    let low = lowRank.base
    let dLow = low + rows * rank
    let (from, gradient, a, b) = (x.floatBase, dy.floatBase, factors.a.floatBase, factors.b.floatBase)
    let (toA, toB, toX) = (dA.floatBase, dB.floatBase, dx?.floatBase)
    forEachPiece(of: rows, size: Self.rowsAPiece, work: rows * rank * (2 * inputs + outputs)) {
      range in
      let (first, count) = (range.lowerBound, range.count)
      project(x, factors, into: low, range)
      multiplySerially(
        gradient + first * outputs, stride: outputs, b, stride: rank, isTransposed: false, into: dLow + first * rank,
        stride: rank, rows: count, columns: rank, depth: outputs, accumulate: false)
      headimpact_scale(dLow + first * rank, factors.scaling, count * rank)
      guard let toX else { return }
      multiplySerially(
        dLow + first * rank, stride: rank, a, stride: inputs, isTransposed: false, into: toX + first * inputs,
        stride: inputs, rows: count, columns: inputs, depth: rank, accumulate: true)
    }
    forEachPiece(of: outputs, size: Self.columnsAPiece, work: rows * rank * outputs) { range in
      multiplySerially(
        gradient + range.lowerBound, stride: outputs, isATransposed: true, low, stride: rank, isTransposed: false,
        into: toB + range.lowerBound * rank, stride: rank, rows: range.count, columns: rank, depth: rows,
        accumulate: true)
    }
    forEachPiece(of: inputs, size: Self.columnsAPiece, work: rows * rank * inputs) { range in
      multiplySerially(
        dLow, stride: rank, isATransposed: true, from + range.lowerBound, stride: inputs, isTransposed: false,
        into: toA + range.lowerBound, stride: inputs, rows: rank, columns: range.count, depth: rows, accumulate: true)
    }
  }

  /// low = scaling · x Aᵀ, for some rows.
  private func project(
    _ x: Tensor, _ factors: LowRankFactors, into low: UnsafeMutablePointer<Float>, _ rows: Range<Int>
  ) {
    let (first, rank, inputs) = (rows.lowerBound, factors.rank, factors.inputs)
    multiplySerially(
      x.floatBase + first * inputs, stride: inputs, factors.a.floatBase, stride: inputs, isTransposed: true,
      into: low + first * rank, stride: rank, rows: rows.count, columns: rank, depth: inputs, accumulate: false)
    headimpact_scale(low + first * rank, factors.scaling, rows.count * rank)
  }

  private func forEachPiece(
    of count: Int, size: Int, work: Int, _ body: (Range<Int>) -> Void
  ) {
    team.forEach((count + size - 1) / size, work: work) { piece, _ in
      body(piece * size..<min(count, (piece + 1) * size))
    }
  }

  public func addLowRankRows(_ factors: LowRankFactors, of indices: [Int], to output: Tensor) {
    let (rank, inputs, columns) = (factors.rank, factors.inputs, factors.outputs)
    precondition(output.rows == indices.count && output.columns == columns)
    precondition(indices.allSatisfy { (0..<inputs).contains($0) })
    let (a, b, to) = (factors.a.floatBase, factors.b.floatBase, output.floatBase)
    team.forEachRange(of: indices.count, work: indices.count * columns * rank) { range in
      for row in range {
        for column in 0..<columns {
          var sum: Float = 0
          for r in 0..<rank { sum += a[r * inputs + indices[row]] * b[column * rank + r] }
          to[row * columns + column] += factors.scaling * sum
        }
      }
    }
  }

  public func addColumnDots(_ x: Tensor, _ y: Tensor, to sums: Tensor) {
    let (rows, columns) = (x.rows, x.columns)
    precondition(y.rows == rows && y.columns == columns && sums.count == columns)
    let (a, b, to) = (x.floatBase, y.floatBase, sums.floatBase)
    // Down the rows in each column, whoever has it.
    team.forEachRange(of: columns, work: x.count) { range in
      for row in 0..<rows {
        let start = row * columns
        for column in range { to[column] += a[start + column] * b[start + column] }
      }
    }
  }

  public func dropout(_ x: Tensor, rate: Float, rowKeys: [UInt64], salt: UInt64, into output: Tensor) {
    let columns = x.columns
    precondition(x.rows == rowKeys.count && output.rows == x.rows && output.columns == columns)
    let (from, to) = (x.floatBase, output.floatBase)
    team.forEachRange(of: rowKeys.count, work: x.count * 4) { range in
      for row in range {
        headimpact_dropout(from + row * columns, rate, rowKeys[row] ^ salt, to + row * columns, columns)
      }
    }
  }
}

/// Norms of weights with a low-rank update, and scaled outputs: what DoRA needs (Liu et al. 2024, arXiv 2402.09353). Weights are
/// read once, a few rows at a time, in pieces of a fixed size, so that no sum depends on the number of threads.
extension CPUBackend {
  private static let rowsAPiece = 16
  private static let tokensAPiece = 256

  /// ‖W + scaling · B A‖ of each row.
  ///
  /// - Shape: weight [out, in], the result [out].
  public func rowNorms(_ weight: Tensor, _ factors: LowRankFactors) throws -> [Float] {
    let (rows, columns, size) = (weight.rows, weight.columns, Self.rowsAPiece)
    var norms = [Float](repeating: 0, count: rows)
    withScratch(team.count * (size + 1) * columns, &norms) { base, norms in
      team.forEach((rows + size - 1) / size, work: rows * columns * (factors.rank + 2)) { piece, thread in
        let (first, delta) = (piece * size, base + thread * (size + 1) * columns)
        let row = delta + size * columns
        let some = min(size, rows - first)
        multiplySerially(
          factors.b.floatBase + first * factors.rank, stride: factors.rank, factors.a.floatBase, stride: columns,
          isTransposed: false,
          into: delta, stride: columns, rows: some, columns: columns, depth: factors.rank, accumulate: false)
        for index in 0..<some {
          weight.copyRow(first + index, into: row)
          norms[first + index] = Float(
            sumOfSquares(row, plus: delta + index * columns, factors.scaling, count: columns).squareRoot())
        }
      }
    }
    return norms
  }

  /// ‖E + scaling · (B A)ᵀ‖ of each column of an embedding.
  ///
  /// - Shape: weight [vocabulary, C]; factors' A [rank, vocabulary], B [C, rank]; the result [C].
  public func columnNorms(_ weight: Tensor, _ factors: LowRankFactors) throws -> [Float] {
    let (rows, columns, size) = (weight.rows, weight.columns, Self.tokensAPiece)
    let pieces = (rows + size - 1) / size
    var sums = [Double](repeating: 0, count: pieces * columns)
    withScratch(team.count * (size + 1) * columns, &sums) { base, sums in
      team.forEach(pieces, work: rows * columns * (factors.rank + 2)) { piece, thread in
        let (first, delta) = (piece * size, base + thread * (size + 1) * columns)
        let row = delta + size * columns
        let some = min(size, rows - first)
        multiplySerially(
          factors.a.floatBase + first, stride: rows, isATransposed: true, factors.b.floatBase, stride: factors.rank,
          isTransposed: true,
          into: delta, stride: columns, rows: some, columns: columns, depth: factors.rank, accumulate: false)
        for index in 0..<some {
          weight.copyRow(first + index, into: row)
          for column in 0..<columns {
            let value = Double(row[column] + factors.scaling * delta[index * columns + column])
            sums[piece * columns + column] += value * value
          }
        }
      }
    }
    return (0..<columns).map { column in
      Float((0..<pieces).reduce(0) { $0 + sums[$1 * columns + column] }.squareRoot())
    }
  }

  private func withScratch<Element>(
    _ count: Int, _ result: inout [Element],
    _ body: (_ scratch: UnsafeMutablePointer<Float>, _ result: UnsafeMutablePointer<Element>) -> Void
  ) {
    result.withUnsafeMutableBufferPointer { result in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { scratch in
        if let scratch = scratch.baseAddress, let result = result.baseAddress { body(scratch, result) }
      }
    }
  }

  public func scaleColumns(_ x: Tensor, by scale: Tensor, bias: Tensor?, into output: Tensor, accumulate: Bool) {
    let columns = x.columns
    precondition(scale.count == columns && bias?.count ?? columns == columns)
    precondition(output.rows == x.rows && output.columns == columns)
    let (source, target, scale) = (x.floatBase, output.floatBase, scale.floatBase)
    let zeros = bias == nil ? [Float](repeating: 0, count: columns) : []
    zeros.withUnsafeBufferPointer { zeros in
      guard let bias = bias.map({ UnsafePointer($0.floatBase) }) ?? zeros.baseAddress else { return }
      team.forEachRange(of: x.rows, work: x.count) { range in
        for place in range {
          let (from, to) = (source + place * columns, target + place * columns)
          if accumulate {
            for column in 0..<columns { to[column] += from[column] * scale[column] + bias[column] }
          } else {
            for column in 0..<columns { to[column] = from[column] * scale[column] + bias[column] }
          }
        }
      }
    }
  }
}

/// Σ (x + weight · y)², in an order that depends on the count alone.
private func sumOfSquares(
  _ x: UnsafePointer<Float>, plus y: UnsafePointer<Float>, _ weight: Float, count: Int
) -> Double {
  var sums = SIMD4<Double>(repeating: 0)
  var place = 0
  while place + 4 <= count {
    let values = SIMD4<Double>(
      Double(x[place] + weight * y[place]), Double(x[place + 1] + weight * y[place + 1]),
      Double(x[place + 2] + weight * y[place + 2]), Double(x[place + 3] + weight * y[place + 3]))
    sums += values * values
    place += 4
  }
  var sum = sums.sum()
  while place < count {
    let value = Double(x[place] + weight * y[place])
    sum += value * value
    place += 1
  }
  return sum
}

import CVectorMath

/// Tensors, and moving their rows.
extension CPUBackend {
  public func tensor(rows: Int, columns: Int) -> Tensor { Tensor(rows: rows, columns: columns) }

  public func tensor(_ values: [Float], rows: Int) -> Tensor { Tensor(values, rows: rows) }

  public func read(_ x: Tensor) -> [Float] { x.floats() }

  public func write(_ values: [Float], to x: Tensor) {
    precondition(values.count == x.count)
    values.withUnsafeBufferPointer { values in
      if let from = values.baseAddress { x.floatBase.update(from: from, count: values.count) }
    }
  }

  public func withFloats<R>(of x: Tensor, _ body: (inout MutableSpan<Float>) throws -> R) rethrows -> R {
    var span = MutableSpan(_unsafeElements: UnsafeMutableBufferPointer(start: x.floatBase, count: x.count))
    return try body(&span)
  }

  public func zero(_ x: Tensor) {
    let base = x.floatBase
    team.forEachRange(of: x.count, work: x.count / 4) { range in
      (base + range.lowerBound).update(repeating: 0, count: range.count)
    }
  }

  public func copy(_ x: Tensor, to y: Tensor) {
    precondition(x.rows == y.rows && x.columns == y.columns)
    let (from, to) = (x.floatBase, y.floatBase)
    guard from != to else { return }
    team.forEachRange(of: x.count, work: x.count / 4) { range in
      (to + range.lowerBound).update(from: from + range.lowerBound, count: range.count)
    }
  }

  public func gather(_ x: Tensor, _ indices: [Int], into output: Tensor) {
    let columns = x.columns
    precondition(output.rows == indices.count && output.columns == columns)
    precondition(indices.allSatisfy { (0..<x.rows).contains($0) })
    let to = output.floatBase
    if UnsafeRawPointer(to) == x.base {
      // In order: a row is read before another takes its place.
      for (row, source) in indices.enumerated() where row != source {
        precondition(source > row)
        x.copyRow(source, into: to + row * columns)
      }
      return
    }
    team.forEachRange(of: indices.count, work: output.count / 4) { range in
      for row in range { x.copyRow(indices[row], into: to + row * columns) }
    }
  }

  public func scatter(_ x: Tensor, to indices: [Int], of output: Tensor, accumulate: Bool) {
    let columns = x.columns
    precondition(x.rows == indices.count && output.columns == columns)
    precondition(indices.allSatisfy { (0..<output.rows).contains($0) })
    let (from, to) = (x.floatBase, output.floatBase)
    team.forEachRange(of: indices.count, work: x.count / (accumulate ? 1 : 4)) { range in
      for row in range {
        let target = to + indices[row] * columns
        if accumulate {
          headimpact_add(target, from + row * columns, columns)
        } else {
          target.update(from: from + row * columns, count: columns)
        }
      }
    }
  }

  public func zero(columns: Range<Int>, of x: Tensor) {
    precondition(columns.lowerBound >= 0 && columns.upperBound <= x.columns)
    let base = x.floatBase
    for row in 0..<x.rows {
      (base + row * x.columns + columns.lowerBound).update(repeating: 0, count: columns.count)
    }
  }

  public func add(_ x: Tensor, to y: Tensor) {
    precondition(x.rows == y.rows && x.columns == y.columns)
    let (from, to) = (x.floatBase, y.floatBase)
    team.forEachRange(of: x.count, work: x.count) { range in
      headimpact_add(to + range.lowerBound, from + range.lowerBound, range.count)
    }
  }

  public func scale(_ x: Tensor, by factor: Float) {
    let base = x.floatBase
    team.forEachRange(of: x.count, work: x.count) { range in
      headimpact_scale(base + range.lowerBound, factor, range.count)
    }
  }

  public func mixRows(_ x: Tensor, indices: [Int], weights: [Float], taps: Int, into output: Tensor) {
    let columns = x.columns
    precondition(taps >= 1 && indices.count == output.rows * taps && weights.count == indices.count)
    precondition(output.columns == columns && indices.allSatisfy { (0..<x.rows).contains($0) })
    let to = output.floatBase
    let from = x.elementType == .f32 && x.isAligned ? x.floatBase : nil
    team.forEachRange(of: output.rows, work: indices.count * columns) { range in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: from == nil ? max(1, columns) : 1) { widened in
        guard let widened = widened.baseAddress else { return }
        for row in range {
          let target = to + row * columns
          target.update(repeating: 0, count: columns)
          for tap in row * taps..<(row + 1) * taps {
            if from == nil { x.copyRow(indices[tap], into: widened) }
            headimpact_add_scaled(target, from.map { $0 + indices[tap] * columns } ?? widened, weights[tap], columns)
          }
        }
      }
    }
  }
}

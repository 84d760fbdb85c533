import CVectorMath

/// The way back through the row kernels.
extension ComputeContext {
  /// dx += the gradient of rmsNorm's input from dy, that of its output; its weight is frozen and has none.
  ///
  /// - Shape: dy, x, dx [rows, C], weight [C].
  public func rmsNormBackward(
    _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, weight: [Float], eps: Float,
    into dx: UnsafeMutablePointer<Float>, rows: Int
  ) {
    let columns = weight.count
    weight.withUnsafeBufferPointer { weight in
      guard let weight = weight.baseAddress else { return }
      team.forEachRange(of: rows, work: rows * columns * 8) { range in
        for row in range {
          headimpact_rms_norm_back(dy + row * columns, x + row * columns, weight, eps, dx + row * columns, columns)
        }
      }
    }
  }

  /// y += x.
  ///
  /// - Shape: x, y [count].
  public func add(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
    team.forEachRange(of: count, work: count) { range in
      headimpact_add(y + range.lowerBound, x + range.lowerBound, range.count)
    }
  }

  /// The gradients of gate and up from dy, that of silu(gate) · up; each takes the place of its value.
  ///
  /// - Shape: dy, gate, up [rows, columns].
  public func siluMultiplyBackward(
    _ dy: UnsafePointer<Float>, gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, rows: Int,
    columns: Int
  ) {
    team.forEachRange(of: rows, work: rows * columns * 8) { range in
      let start = range.lowerBound * columns
      headimpact_silu_multiply_back(dy + start, gate + start, up + start, range.count * columns)
    }
  }

  /// The gradient of what `rotate` was given from that of what it gave, in place.
  ///
  /// - Shape: x [rows, heads · D].
  public func rotateBackward(_ x: UnsafeMutablePointer<Float>, by angles: RotaryAngles, rows: Int, heads: Int) {
    rotate(x, by: angles.reversed, rows: rows, heads: heads)
  }

  /// The loss of each row, -log softmax(logits)[target]; the logits become its gradient, softmax(logits) - onehot(target).
  ///
  /// - Shape: logits [targets.count, vocabulary].
  public func crossEntropy(
    _ logits: UnsafeMutablePointer<Float>, vocabulary: Int, targets: ArraySlice<Int32>
  ) -> [Double] {
    [Double](unsafeUninitializedCapacity: targets.count) { losses, count in
      count = targets.count
      guard let base = losses.baseAddress else { return }
      let first = targets.startIndex
      team.forEach(targets.count, work: targets.count * vocabulary * 8) { row, _ in
        base[row] = headimpact_cross_entropy(logits + row * vocabulary, vocabulary, Int(targets[first + row]))
      }
    }
  }
}

/// Adds x to sums in fixed point, 2^-72 apart: `high` counts 2^-32, `low` the rest. Sums of integers are exact, whatever
/// their order.
///
/// - Shape: x, high, low [count].
/// - Parameter limit: 2^30 / k where up to k numbers are added to one: then no sum overflows.
/// - Returns: whether all x were finite and below the limit; those that are not are left out.
public func addExactly(
  _ x: UnsafePointer<Float>, limit: Float, high: UnsafeMutablePointer<Int64>, low: UnsafeMutablePointer<Int64>,
  count: Int
) -> Bool {
  headimpact_add_exactly(x, limit, high, low, count) == 0
}

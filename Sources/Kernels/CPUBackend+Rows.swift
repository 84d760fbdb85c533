import CVectorMath

/// Row operations: each runs over the rows of a matrix on every thread of the team. The backward operation follows the forward one.
extension CPUBackend {
  public func normalize(_ x: Tensor, _ norm: Norm, groups: Int, into output: Tensor) {
    let (rows, columns) = Self.parts(of: x, norm, groups)
    precondition(output.rows == x.rows && output.columns == x.columns)
    let (from, to, weight, bias) = (x.floatBase, output.floatBase, norm.weight.floatBase, norm.bias?.floatBase)
    team.forEachRange(of: rows, work: rows * columns * 4) { range in
      for row in range {
        let (from, to) = (from + row * columns, to + row * columns)
        if norm.kind == .layer, let bias {
          headimpact_layer_norm(from, weight, bias, norm.eps, to, columns)
        } else {
          headimpact_rms_norm(from, weight, norm.eps, to, columns)
        }
      }
    }
  }

  public func normalizeBackward(_ dy: Tensor, x: Tensor, _ norm: Norm, groups: Int, into dx: Tensor) {
    let (rows, columns) = Self.parts(of: x, norm, groups)
    precondition(dy.rows == x.rows && dx.rows == x.rows && dy.columns == x.columns && dx.columns == x.columns)
    let (from, to, x, weight) = (dy.floatBase, dx.floatBase, x.floatBase, norm.weight.floatBase)
    team.forEachRange(of: rows, work: rows * columns * 8) { range in
      for row in range {
        let at = row * columns
        switch norm.kind {
        case .layer: headimpact_layer_norm_backward(from + at, x + at, weight, norm.eps, to + at, columns)
        case .rms: headimpact_rms_norm_backward(from + at, x + at, weight, norm.eps, to + at, columns)
        }
      }
    }
  }

  /// The equal parts of x's rows that are normalised each by itself.
  private static func parts(of x: Tensor, _ norm: Norm, _ groups: Int) -> (rows: Int, columns: Int) {
    precondition(groups >= 1 && norm.weight.columns * groups == x.columns)
    precondition((norm.kind == .layer) == (norm.bias != nil))
    return (x.rows * groups, norm.weight.columns)
  }

  public func activate(_ activation: Activation, _ x: Tensor) {
    let (base, columns) = (x.floatBase, x.columns)
    team.forEachRange(of: x.rows, work: x.count * 4) { range in
      activation.run(base + range.lowerBound * columns, range.count * columns)
    }
  }

  public func activate(_ activation: Activation, gate: Tensor, up: Tensor, into output: Tensor) {
    precondition(gate.rows == up.rows && gate.columns == up.columns)
    precondition(output.rows == gate.rows && output.columns == gate.columns)
    let (gates, ups, to, columns) = (gate.floatBase, up.floatBase, output.floatBase, gate.columns)
    team.forEachRange(of: gate.rows, work: gate.count * 4) { range in
      let start = range.lowerBound * columns
      activation.run(gate: gates + start, up: ups + start, into: to + start, range.count * columns)
    }
  }

  public func activateBackward(_ activation: Activation, _ dy: Tensor, x: Tensor) {
    precondition(dy.rows == x.rows && dy.columns == x.columns)
    let (from, base, columns) = (dy.floatBase, x.floatBase, x.columns)
    team.forEachRange(of: x.rows, work: x.count * 8) { range in
      let (start, count) = (range.lowerBound * columns, range.count * columns)
      switch activation {
      case .quickGELU: headimpact_quick_gelu_backward(from + start, base + start, count)
      case .gelu: headimpact_gelu_backward(from + start, base + start, count)
      case .tanhGELU: headimpact_tanh_gelu_backward(from + start, base + start, count)
      case .silu: headimpact_silu_backward(from + start, base + start, count)
      }
    }
  }

  public func activateBackward(_ activation: Activation, _ dy: Tensor, gate: Tensor, up: Tensor) {
    precondition(dy.rows == gate.rows && gate.rows == up.rows)
    precondition(dy.columns == gate.columns && gate.columns == up.columns)
    let (from, gates, ups, columns) = (dy.floatBase, gate.floatBase, up.floatBase, gate.columns)
    team.forEachRange(of: gate.rows, work: gate.count * 8) { range in
      let (start, count) = (range.lowerBound * columns, range.count * columns)
      switch activation {
      case .quickGELU: headimpact_quick_gelu_multiply_backward(from + start, gates + start, ups + start, count)
      case .gelu: headimpact_gelu_multiply_backward(from + start, gates + start, ups + start, count)
      case .tanhGELU: headimpact_tanh_gelu_multiply_backward(from + start, gates + start, ups + start, count)
      case .silu: headimpact_silu_multiply_backward(from + start, gates + start, ups + start, count)
      }
    }
  }

  public func rotate(_ x: Tensor, by angles: RotaryAngles, firstRow: Int, heads: Int) {
    let (rows, half, base) = (x.rows, angles.half, x.floatBase)
    precondition(x.columns == heads * 2 * half && firstRow >= 0 && firstRow + rows <= angles.rows)
    angles.cosines.withUnsafeBufferPointer { cosines in
      angles.sines.withUnsafeBufferPointer { sines in
        guard let cosines = cosines.baseAddress, let sines = sines.baseAddress else { return }
        team.forEachRange(of: rows, work: rows * heads * half * 4) { range in
          for row in range {
            let at = (firstRow + row) * half
            for head in 0..<heads {
              headimpact_rotate_half(base + (row * heads + head) * 2 * half, cosines + at, sines + at, half)
            }
          }
        }
      }
    }
  }

  public func rotateBackward(_ x: Tensor, by angles: RotaryAngles, heads: Int) {
    rotate(x, by: angles.reversed, firstRow: 0, heads: heads)
  }

  public func softcap(_ x: Tensor, _ cap: Float) {
    let base = x.floatBase
    team.forEachRange(of: x.count, work: x.count * 8) { range in
      headimpact_softcap(base + range.lowerBound, range.count, 1, cap)
    }
  }

  public func softcapBackward(_ dy: Tensor, y: Tensor, _ cap: Float) {
    precondition(dy.rows == y.rows && dy.columns == y.columns)
    let (from, y) = (dy.floatBase, y.floatBase)
    team.forEachRange(of: dy.count, work: dy.count * 2) { range in
      headimpact_softcap_backward(from + range.lowerBound, y + range.lowerBound, range.count, 1, cap)
    }
  }

  public func crossEntropy(_ logits: Tensor, targets: ArraySlice<Int32>) -> [Double] {
    precondition(logits.rows == targets.count)
    let (base, vocabulary, first) = (logits.floatBase, logits.columns, targets.startIndex)
    precondition(targets.allSatisfy { (0..<Int32(vocabulary)).contains($0) })
    return [Double](unsafeUninitializedCapacity: targets.count) { losses, count in
      count = targets.count
      guard let losses = losses.baseAddress else { return }
      team.forEach(targets.count, work: targets.count * vocabulary * 8) { row, _ in
        losses[row] = headimpact_cross_entropy(base + row * vocabulary, vocabulary, Int(targets[first + row]))
      }
    }
  }
}

import Foundation
import Kernels

extension Norm {
  /// The same in float64.
  func plain(_ x: [Double]) -> [Double] {
    let (weight, n) = (weight.floats().doubles, Double(x.count))
    let mean = kind == .layer ? x.reduce(0, +) / n : 0
    let square = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
    let bias = bias?.floats().doubles ?? x.map { _ in 0 }
    return x.indices.map { (x[$0] - mean) / (square + Double(eps)).squareRoot() * weight[$0] + bias[$0] }
  }
}

extension Activation {
  static let all: [Activation] = [.quickGELU, .gelu, .tanhGELU, .silu]

  /// The same in float64.
  func plain(_ x: Double) -> Double {
    switch self {
    case .quickGELU: x / (1 + exp(-1.702 * x))
    case .gelu: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
    case .tanhGELU: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .silu: x / (1 + exp(-x))
    }
  }
}

extension RotaryAngles {
  static func some(rows: Int, half: Int) -> RotaryAngles {
    let angles = numbers(rows * half, 20).map { 3 * $0 }
    return RotaryAngles(cosines: angles.map { cos($0) }, sines: angles.map { sin($0) }, half: half)
  }

  /// The same in float64. - Shape: x [rows, heads · D].
  func plain(_ x: [Double], firstRow: Int, heads: Int) -> [Double] {
    var y = x
    for at in x.indices where at % (2 * half) < half {
      let angle = (firstRow + at / (heads * 2 * half)) * half + at % (2 * half)
      let (c, s) = (Double(cosines[angle]), Double(sines[angle]))
      y[at] = x[at] * c - x[at + half] * s
      y[at + half] = x[at + half] * c + x[at] * s
    }
    return y
  }
}

extension Operation {
  /// Norms of whole rows and of parts of them, in every length that vectors end differently at.
  private static let norms: [(norm: Norm, groups: Int)] = [1, 2, 15, 16, 17, 33, 391, 1536].flatMap { n in
    let (weight, bias) = (Tensor(numbers(n, 10)), Tensor(numbers(n, 11)))
    return [1, 4].flatMap { groups in
      [
        (Norm(.rms, weight: weight, eps: 1e-3), groups),
        (Norm(.layer, weight: weight, bias: bias, eps: 1e-3), groups),
      ]
    }
  }

  static let rows: [Operation] =
    norms.flatMap { norm, groups in
      let n = norm.weight.columns
      let x = numbers(3 * groups * n, 12).map { $0 + 2 }
      let expected: @Sendable () -> [Double] = { cut(x.doubles, columns: n).flatMap(norm.plain) }
      return [
        Operation(
          name: "\(norm.kind) norm of \(groups) x \(n)", tolerance: 2e-5,
          run: { backend in
            let y = backend.unwritten(rows: 3, columns: groups * n)
            backend.normalize(backend.tensor(x, rows: 3), norm, groups: groups, into: y)
            return backend.read(y)
          }, expected: expected),
        Operation(
          name: "\(norm.kind) norm of \(groups) x \(n), in place", tolerance: 2e-5,
          run: { backend in
            let x = backend.tensor(x, rows: 3)
            backend.normalize(x, norm, groups: groups, into: x)
            return backend.read(x)
          }, expected: expected),
      ]
    }
    + Activation.all.flatMap { activation in
      let x = (0..<1801).map { Float($0 - 900) / 10 }
      let up = numbers(1801, 13)
      return [
        Operation(
          name: "\(activation)", tolerance: 3e-5,
          run: { backend in
            let x = backend.tensor(x, rows: 1)
            backend.activate(activation, x)
            return backend.read(x)
          }, expected: { x.doubles.map(activation.plain) }),
        Operation(
          name: "\(activation), gated", tolerance: 3e-5,
          run: { backend in
            let y = backend.unwritten(rows: 1, columns: 1801)
            backend.activate(
              activation, gate: backend.tensor(x, rows: 1), up: backend.tensor(up, rows: 1), into: y)
            return backend.read(y)
          }, expected: { zip(x.doubles, up.doubles).map { activation.plain($0) * $1 } }),
      ]
    } + others

  private static let others: [Operation] = {
    let angles = RotaryAngles.some(rows: 5, half: 7)
    let x = numbers(3 * 2 * 14, 14)
    let wide = (0..<801).map { Float($0 - 400) / 4 }
    let (scale, bias) = (numbers(14, 15), numbers(14, 16))
    return [
      Operation(
        name: "rotate",
        run: { backend in
          let x = backend.tensor(x, rows: 3)
          backend.rotate(x, by: angles, firstRow: 2, heads: 2)
          return backend.read(x)
        }, expected: { angles.plain(x.doubles, firstRow: 2, heads: 2) }),
      Operation(
        name: "softcap", tolerance: 5e-6,
        run: { backend in
          let x = backend.tensor(wide, rows: 1)
          backend.softcap(x, 30)
          return backend.read(x)
        }, expected: { wide.doubles.map { 30 * tanh($0 / 30) } }),
      Operation(
        name: "scale columns, with a bias",
        run: { backend in
          let y = backend.unwritten(rows: 6, columns: 14)
          backend.scaleColumns(
            backend.tensor(x, rows: 6), by: Tensor(scale), bias: Tensor(bias), into: y, accumulate: false)
          return backend.read(y)
        }, expected: { x.enumerated().map { Double($1) * Double(scale[$0 % 14]) + Double(bias[$0 % 14]) } }),
      Operation(
        name: "scale columns, adding (layer scale)",
        run: { backend in
          let y = backend.tensor(x, rows: 6)
          backend.scaleColumns(backend.tensor(x, rows: 6), by: Tensor(scale), bias: nil, into: y, accumulate: true)
          return backend.read(y)
        }, expected: { x.enumerated().map { Double($1) * (1 + Double(scale[$0 % 14])) } }),
    ]
  }()
}

import Foundation
import Kernels

extension Operation {
  /// The backward row operations, against finite differences.
  static let rowsBackward: [Operation] =
    normsBackward + activationsBackward + othersBackward

  private static let normsBackward: [Operation] = [(1, 2), (2, 7), (1, 33), (4, 16)].flatMap { groups, n in
    [Norm.Kind.rms, .layer].map { kind in
      let norm = Norm(
        kind, weight: Tensor(numbers(n, 30)), bias: kind == .layer ? Tensor(numbers(n, 31)) : nil, eps: 1e-3)
      let (x, dy, before) = (numbers(2 * groups * n, 32), numbers(2 * groups * n, 33), numbers(2 * groups * n, 34))
      return Operation(
        name: "\(kind) norm of \(groups) x \(n), backward", tolerance: 2e-5,
        run: { backend in
          let dx = backend.tensor(before, rows: 2)
          backend.normalizeBackward(
            backend.tensor(dy, rows: 2), x: backend.tensor(x, rows: 2), norm, groups: groups, into: dx)
          return backend.read(dx)
        },
        expected: {
          zip(
            before.doubles,
            finiteDifferences(
              of: { dot(dy.doubles, cut($0, columns: n).flatMap(norm.plain)) }, at: x.doubles)
          ).map(+)
        })
    }
  }

  private static let activationsBackward: [Operation] = Activation.all.flatMap { activation in
    let n = 35
    let (x, up, dy) = (numbers(n, 40).map { 6 * $0 }, numbers(n, 41), numbers(n, 42))
    return [
      Operation(
        name: "\(activation), backward", tolerance: 1e-5,
        run: { backend in
          let x = backend.tensor(x, rows: 1)
          backend.activateBackward(activation, backend.tensor(dy, rows: 1), x: x)
          return backend.read(x)
        },
        expected: { finiteDifferences(of: { dot(dy.doubles, $0.map(activation.plain)) }, at: x.doubles) }),
      Operation(
        name: "\(activation), gated, backward", tolerance: 1e-5,
        run: { backend in
          let (gate, up) = (backend.tensor(x, rows: 1), backend.tensor(up, rows: 1))
          backend.activateBackward(activation, backend.tensor(dy, rows: 1), gate: gate, up: up)
          return backend.read(gate) + backend.read(up)
        },
        expected: {
          finiteDifferences(
            of: { both in
              (0..<n).reduce(0) { $0 + Double(dy[$1]) * activation.plain(both[$1]) * both[n + $1] }
            }, at: (x + up).doubles)
        }),
    ]
  }

  private static let othersBackward: [Operation] = {
    let angles = RotaryAngles.some(rows: 2, half: 3)
    let (x, dy) = (numbers(24, 50), numbers(24, 51))
    let scores = numbers(24, 52).map { 40 * $0 }
    let logits = numbers(2 * 503, 53).map { 8 * $0 }
    return [
      Operation(
        name: "rotate, backward", tolerance: 1e-5,
        run: { backend in
          let dx = backend.tensor(dy, rows: 2)
          backend.rotateBackward(dx, by: angles, heads: 2)
          return backend.read(dx)
        },
        expected: {
          finiteDifferences(of: { dot(dy.doubles, angles.plain($0, firstRow: 0, heads: 2)) }, at: x.doubles)
        }),
      Operation(
        name: "softcap, backward", tolerance: 1e-5,
        run: { backend in
          let (y, dx) = (backend.tensor(scores, rows: 2), backend.tensor(dy, rows: 2))
          backend.softcap(y, 30)
          backend.softcapBackward(dx, y: y, 30)
          return backend.read(dx)
        },
        expected: { finiteDifferences(of: { dot(dy.doubles, $0.map { 30 * tanh($0 / 30) }) }, at: scores.doubles) }),
      Operation(
        name: "cross-entropy and its gradient", tolerance: 1e-5,
        run: { backend in
          let logits = backend.tensor(logits, rows: 2)
          let losses = backend.crossEntropy(logits, targets: [9, 0, 502][1...])
          return losses.map(Float.init) + backend.read(logits)
        },
        expected: {
          func losses(_ logits: [Double]) -> [Double] {
            zip(cut(logits, columns: 503), [0, 502]).map { row, target in
              log(row.reduce(0) { $0 + exp($1) }) - row[target]
            }
          }
          return losses(logits.doubles)
            + finiteDifferences(of: { losses($0).reduce(0, +) }, at: logits.doubles)
        }),
    ]
  }()
}

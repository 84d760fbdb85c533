import Kernels

extension Operation {
  /// Odd sizes, and depths and widths on both sides of a panel.
  private static let sizes = [(1, 1, 1), (3, 17, 5), (17, 300, 1100), (5, 513, 2049)]

  static let products: [Operation] = sizes.flatMap { count, outputs, inputs in
    ElementType.allCases.map { elementType in
      let x = numbers(count * inputs, 60)
      let owned = OwnedWeights(numbers(outputs * inputs, 61), rows: outputs, columns: inputs, as: elementType)
      let (bias, before) = (numbers(outputs, 62), numbers(count * outputs, 63))
      return Operation(
        name: "linear layer \(count) x \(inputs) -> \(outputs) in \(elementType), and adding", tolerance: 4e-4,
        run: { backend in
          let layer = Linear(weight: owned.weight, bias: backend.tensor(bias, rows: 1))
          let (y, sum) = (backend.unwritten(rows: count, columns: outputs), backend.tensor(before, rows: count))
          try backend.withOperand(backend.tensor(x, rows: count)) {
            try backend.apply(layer, to: $0, into: y, accumulate: false)
            try backend.apply(layer, to: $0, into: sum, accumulate: true)
          }
          return backend.read(y) + backend.read(sum)
        },
        expected: {
          let weights = owned.weight.floats()
          let y = Plain.product(x, weights, rows: count, columns: outputs, depth: inputs)
            .enumerated().map { $1 + Double(bias[$0 % outputs]) }
          return y + zip(y, before.doubles).map(+)
        })
    }
  }

  /// On both sides of a vector and a panel.
  static let productsActivated: [Operation] = [(1, 1, 1), (3, 17, 5), (17, 300, 260), (40, 5, 33)].flatMap {
    count, outputs, inputs in
    Activation.all.flatMap { activation in
      [true, false].map { isGated in
        let x = numbers(count * inputs, 67)
        let (gate, up) = (numbers(outputs * inputs, 68), numbers(outputs * inputs, 69))
        let (gateBias, upBias) = (numbers(outputs, 74), numbers(outputs, 75))
        return Operation(
          name: "\(isGated ? "gated" : "plain") \(activation) of linear layers \(count) x \(inputs) -> \(outputs)",
          tolerance: 4e-4,
          run: { backend in
            let y = backend.unwritten(rows: count, columns: outputs)
            func layer(_ weight: [Float], _ bias: [Float]) -> Linear {
              Linear(weight: backend.tensor(weight, rows: outputs), bias: backend.tensor(bias, rows: 1))
            }
            try backend.withOperand(backend.tensor(x, rows: count)) {
              try backend.apply(
                activation, gate: isGated ? layer(gate, gateBias) : nil, up: layer(up, upBias), to: $0, into: y)
            }
            return backend.read(y)
          },
          expected: {
            func layer(_ weight: [Float], _ bias: [Float]) -> [Double] {
              Plain.product(x, weight, rows: count, columns: outputs, depth: inputs)
                .enumerated().map { $1 + Double(bias[$0 % outputs]) }
            }
            let up = layer(up, upBias)
            guard isGated else { return up.map(activation.plain) }
            return zip(layer(gate, gateBias), up).map { activation.plain($0) * $1 }
          })
      }
    }
  }

  static let productsBackward: [Operation] =
    sizes.flatMap { count, outputs, inputs in
      ElementType.allCases.map { elementType in
        let owned = OwnedWeights(numbers(outputs * inputs, 64), rows: outputs, columns: inputs, as: elementType)
        let (dy, before) = (numbers(count * outputs, 65), numbers(count * inputs, 66))
        // The product is linear: its gradient is dy · W itself, and finite differences would show no more.
        return Operation(
          name: "linear layer \(count) x \(inputs) -> \(outputs) in \(elementType), backward", tolerance: 2e-4,
          run: { backend in
            let dx = backend.tensor(before, rows: count)
            try backend.withOperand(backend.tensor(dy, rows: count)) {
              try backend.applyBackward(Linear(weight: owned.weight), to: $0, into: dx, accumulate: true)
            }
            return backend.read(dx)
          },
          expected: {
            let weights = owned.weight.floats()
            return (0..<count * inputs).map { at in
              (0..<outputs).reduce(Double(before[at])) {
                $0 + Double(dy[at / inputs * outputs + $1]) * Double(weights[$1 * inputs + at % inputs])
              }
            }
          })
      }
    } + [1, 3].map(lowRank)

  /// A low-rank update: there, and the gradients of A, B and the input.
  private static func lowRank(_ rank: Int) -> Operation {
    let (count, inputs, outputs) = (5, 7, 6)
    let (a, b) = (numbers(rank * inputs, 70), numbers(outputs * rank, 71))
    let (x, dy) = (numbers(count * inputs, 72), numbers(count * outputs, 73))
    @Sendable func update(_ all: [Double]) -> [Double] {
      let (a, b) = (Array(all[0..<rank * inputs]), Array(all[rank * inputs..<rank * (inputs + outputs)]))
      let x = Array(all[(rank * (inputs + outputs))...])
      return (0..<count * outputs).map { at in
        (0..<rank).reduce(0.0) { sum, r in
          let low = (0..<inputs).reduce(0.0) { $0 + a[r * inputs + $1] * x[at / outputs * inputs + $1] }
          return sum + 1.5 * b[at % outputs * rank + r] * low
        }
      }
    }
    return Operation(
      name: "low-rank update of rank \(rank), forward and backward", tolerance: 1e-4,
      run: { backend in
        let factors = LowRankFactors(
          a: backend.tensor(a, rows: rank), b: backend.tensor(b, rows: outputs), scaling: 1.5)
        let (x, y) = (backend.tensor(x, rows: count), backend.tensor(rows: count, columns: outputs))
        let gradients = [
          backend.tensor(rows: rank, columns: inputs), backend.tensor(rows: outputs, columns: rank),
          backend.tensor(rows: count, columns: inputs),
        ]
        for tensor in gradients + [y] { backend.zero(tensor) }
        try backend.applyLowRank(factors, to: x, into: y)
        try backend.lowRankBackward(
          factors, x: x, dy: backend.tensor(dy, rows: count), dA: gradients[0], dB: gradients[1], dx: gradients[2])
        return backend.read(y) + gradients.flatMap(backend.read)
      },
      expected: {
        let all = (a + b + x).doubles
        return update(all) + finiteDifferences(of: { dot(dy.doubles, update($0)) }, at: all)
      })
  }
}

import Kernels

extension Operation {
  static let moving = rowsMoved + embeddings + mixed

  /// Means of rows of tables, at any byte of their file.
  private static let mixed: [Operation] = ElementType.allCases.flatMap { elementType in
    [0, 1].map { shift in
      let owned = OwnedWeights(numbers(50 * 21, 8), rows: 50, columns: 21, as: elementType, shift: shift)
      let (indices, weights) = ([49, 0, 3, 3, 17, 18], numbers(6, 9))
      return Operation(
        name: "mix rows of \(elementType), \(shift) bytes off",
        run: { backend in
          let y = backend.unwritten(rows: 2, columns: 21)
          backend.mixRows(owned.weight, indices: indices, weights: weights, taps: 3, into: y)
          return backend.read(y)
        },
        expected: {
          let all = cut(owned.weight.floats().doubles, columns: 21)
          return (0..<2).flatMap { row in
            (0..<21).map { column in
              (3 * row..<3 * row + 3).reduce(0.0) { $0 + Double(weights[$1]) * all[indices[$1]][column] }
            }
          }
        })
    }
  }

  /// Rows of embedding tables, at any byte of their file.
  private static let embeddings: [Operation] = ElementType.allCases.flatMap { elementType in
    [0, 1].map { shift in
      let owned = OwnedWeights(numbers(50 * 21, 7), rows: 50, columns: 21, as: elementType, shift: shift)
      let tokens = [49, 0, 3, 3, 17]
      return Operation(
        name: "gather from \(elementType), \(shift) bytes off", tolerance: 0,
        run: { backend in
          let y = backend.unwritten(rows: tokens.count, columns: 21)
          backend.gather(owned.weight, tokens, into: y)
          return backend.read(y)
        },
        expected: {
          let all = cut(owned.weight.floats().doubles, columns: 21)
          return tokens.flatMap { all[$0] }
        })
    }
  }

  /// Moving rows, and adding them.
  private static let rowsMoved: [Operation] = {
    let (rowCount, columns) = (37, 19)
    let x = numbers(rowCount * columns, 1)
    let y = numbers(rowCount * columns, 2)
    let all = cut(x.doubles, columns: columns)
    let indices = [0, 1, 5, 6, 20, 36]
    let (scattered, taps) = (numbers(6 * columns, 3), numbers(24, 4))
    let tapIndices = (0..<24).map { ($0 * 7) % rowCount }
    let (a, b) = (numbers(3 * 11, 5), numbers(columns * 3, 6))
    return [
      Operation(
        name: "zero",
        run: { backend in
          let x = backend.tensor(x, rows: rowCount)
          backend.zero(x)
          return backend.read(x)
        }, expected: { x.map { _ in 0 } }),
      Operation(
        name: "zero columns",
        run: { backend in
          let x = backend.tensor(x, rows: rowCount)
          backend.zero(columns: 3..<7, of: x)
          return backend.read(x)
        }, expected: { x.enumerated().map { (3..<7).contains($0 % columns) ? 0 : Double($1) } }),
      Operation(
        name: "copy",
        run: { backend in
          let y = backend.unwritten(rows: rowCount, columns: columns)
          backend.copy(backend.tensor(x, rows: rowCount), to: y)
          return backend.read(y)
        }, expected: { x.doubles }),
      Operation(
        name: "gather",
        run: { backend in
          let y = backend.unwritten(rows: 4, columns: columns)
          backend.gather(backend.tensor(x, rows: rowCount), [7, 0, 36, 7], into: y)
          return backend.read(y)
        }, expected: { [7, 0, 36, 7].flatMap { all[$0] } }),
      Operation(
        name: "gather to where it begins",
        run: { backend in
          let x = backend.tensor(x, rows: rowCount)
          backend.gather(x, indices, into: x.rows(0..<indices.count))
          return backend.read(x.rows(0..<indices.count))
        }, expected: { indices.flatMap { all[$0] } }),
      Operation(
        name: "scatter",
        run: { backend in
          let y = backend.tensor(x, rows: rowCount)
          backend.scatter(backend.tensor(scattered, rows: 6), to: indices.reversed(), of: y, accumulate: false)
          return backend.read(y)
        },
        expected: {
          var result = all
          for (row, index) in indices.reversed().enumerated() {
            result[index] = scattered.doubles[row * columns..<(row + 1) * columns].map { $0 }
          }
          return result.flatMap { $0 }
        }),
      Operation(
        name: "scatter, adding",
        run: { backend in
          let y = backend.tensor(x, rows: rowCount)
          backend.scatter(backend.tensor(scattered, rows: 6), to: indices, of: y, accumulate: true)
          return backend.read(y)
        },
        expected: {
          var result = all
          for (row, index) in indices.enumerated() {
            result[index] = zip(result[index], scattered.doubles[row * columns..<(row + 1) * columns]).map(+)
          }
          return result.flatMap { $0 }
        }),
      Operation(
        name: "add",
        run: { backend in
          let y = backend.tensor(y, rows: rowCount)
          backend.add(backend.tensor(x, rows: rowCount), to: y)
          return backend.read(y)
        }, expected: { zip(x.doubles, y.doubles).map(+) }),
      Operation(
        name: "scale",
        run: { backend in
          let x = backend.tensor(x, rows: rowCount)
          backend.scale(x, by: 0.3)
          return backend.read(x)
        }, expected: { x.doubles.map { $0 * Double(Float(0.3)) } }),
      Operation(
        name: "mix rows of four taps",
        run: { backend in
          let y = backend.unwritten(rows: 6, columns: columns)
          backend.mixRows(backend.tensor(x, rows: rowCount), indices: tapIndices, weights: taps, taps: 4, into: y)
          return backend.read(y)
        },
        expected: {
          (0..<6 * columns).map { at in
            (0..<4).reduce(0.0) {
              let tap = at / columns * 4 + $1
              return $0 + Double(taps[tap]) * all[tapIndices[tap]][at % columns]
            }
          }
        }),
      Operation(
        name: "low-rank update of embedding rows",
        run: { backend in
          let y = backend.tensor(scattered, rows: 6)
          backend.addLowRankRows(
            LowRankFactors(a: backend.tensor(a, rows: 3), b: backend.tensor(b, rows: columns), scaling: 0.5),
            of: [10, 0, 3, 3, 9, 1], to: y)
          return backend.read(y)
        },
        expected: {
          (0..<6 * columns).map { at in
            let token = [10, 0, 3, 3, 9, 1][at / columns]
            return Double(scattered[at])
              + 0.5 * (0..<3).reduce(0.0) { $0 + Double(a[$1 * 11 + token]) * Double(b[at % columns * 3 + $1]) }
          }
        }),
    ]
  }()
}

import Foundation
import Kernels

/// One operation of a backend on some numbers, and the same arithmetic, plainly and in float64. A backend is right where all of
/// `all` agree; a second one is held against the same list.
struct Operation: Sendable, CustomStringConvertible {
  let name: String
  /// The largest difference of an element.
  var tolerance = 2e-6
  /// - Returns: all that it wrote, one output behind the other. Outputs are full of NaN before.
  let run: @Sendable (any Backend) throws -> [Float]
  let expected: @Sendable () -> [Double]

  var description: String { name }

  static let all =
    moving + rows + rowsBackward + products + productsActivated + productsBackward + attentions + attentionsBackward
}

extension Backend {
  /// A tensor that no operation has written.
  func unwritten(rows: Int, columns: Int) -> Tensor {
    tensor([Float](repeating: .nan, count: rows * columns), rows: rows)
  }
}

/// Random numbers in [-1, 1), by name, and the same in every run.
func numbers(_ count: Int, _ seed: UInt64) -> [Float] {
  var numbers = Numbers(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ 12345)
  return numbers.floats(count)
}

/// The rows of a matrix.
func cut(_ values: [Double], columns: Int) -> [[Double]] {
  stride(from: 0, to: values.count, by: columns).map { Array(values[$0..<$0 + columns]) }
}

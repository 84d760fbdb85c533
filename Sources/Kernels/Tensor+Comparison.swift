import Foundation

/// What loading asks of weights, wherever they lie in their file.
extension Tensor {
  /// The first element that is infinite or no number.
  public func firstNotFinite() -> Int? {
    firstRow { row, place in place.firstIndex { !$0.isFinite }.map { row * columns + $0 } }
  }

  /// Whether both hold the same numbers, whatever type they are stored in.
  public func holdsSame(as other: Tensor) -> Bool {
    guard rows == other.rows, columns == other.columns else { return false }
    return withUnsafeTemporaryAllocation(of: Float.self, capacity: max(1, columns)) { theirs in
      guard let theirs = theirs.baseAddress else { return false }
      let difference = firstRow { row, ours in
        other.copyRow(row, into: theirs)
        return ours.indices.first { ours[$0] != theirs[$0] }
      }
      return difference == nil
    }
  }

  /// Whether all numbers are the same. It reads both, as far as they agree.
  public func hasEqualElements(to other: Tensor) -> Bool {
    guard rows == other.rows, columns == other.columns else { return false }
    guard elementType != other.elementType else {
      return memcmp(base, other.base, rows * columns * elementType.byteCount) == 0
    }
    return withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * columns) { buffer in
      guard let row = buffer.baseAddress else { return true }
      return (0..<rows).allSatisfy { index in
        copyRow(index, into: row)
        other.copyRow(index, into: row + columns)
        return memcmp(row, row + columns, columns * 4) == 0
      }
    }
  }

  /// What `body` finds in the first row where it finds anything.
  private func firstRow(_ body: (Int, UnsafeBufferPointer<Float>) -> Int?) -> Int? {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: max(1, columns)) { scratch in
      guard let base = scratch.baseAddress else { return nil }
      for row in 0..<rows {
        copyRow(row, into: base)
        if let found = body(row, UnsafeBufferPointer(start: base, count: columns)) { return found }
      }
      return nil
    }
  }
}

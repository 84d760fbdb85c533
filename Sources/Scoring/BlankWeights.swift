import Kernels

/// A bf16 weight of zeros, to measure with.
///
/// `@unchecked Sendable` invariant: nobody writes the memory after `init`.
final class BlankWeights: @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  private let rows: Int
  private let columns: Int

  init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
    base = UnsafeMutableRawPointer.allocate(byteCount: rows * columns * 2, alignment: 64)
    base.initializeMemory(as: UInt8.self, repeating: 0, count: rows * columns * 2)
  }

  deinit { base.deallocate() }

  var matrix: Tensor {
    Tensor(owner: self, base: UnsafeRawPointer(base), elementType: .bf16, rows: rows, columns: columns)
  }
}

import CVectorMath

extension Tensor {
  /// One row, widened to float32: a token's embedding, for one.
  ///
  /// - Shape: output [columns].
  func copyRow(_ row: Int, into output: UnsafeMutablePointer<Float>) {
    copyRow(row, from: 0, count: columns, into: output)
  }

  /// A part of one row, widened to float32, at whatever byte it begins.
  ///
  /// - Shape: output [count].
  func copyRow(_ row: Int, from column: Int, count: Int, into output: UnsafeMutablePointer<Float>) {
    precondition(row >= 0 && row < rows && column >= 0 && count >= 0 && column + count <= columns)
    let start = base + (row * columns + column) * elementType.byteCount
    guard elementType != .f32 else {
      UnsafeMutableRawPointer(output).copyMemory(from: start, byteCount: count * 4)
      return
    }
    guard !isAligned else { return widen(start.assumingMemoryBound(to: UInt16.self), into: output, count) }
    let most = 512
    withUnsafeTemporaryAllocation(of: UInt16.self, capacity: most) { aligned in
      guard let aligned = aligned.baseAddress else { return }
      for first in stride(from: 0, to: count, by: most) {
        let length = min(most, count - first)
        UnsafeMutableRawPointer(aligned).copyMemory(from: start + first * 2, byteCount: length * 2)
        widen(aligned, into: output + first, length)
      }
    }
  }

  private func widen(_ narrow: UnsafePointer<UInt16>, into output: UnsafeMutablePointer<Float>, _ count: Int) {
    if elementType == .bf16 {
      headimpact_widen_bf16(narrow, output, count)
    } else {
      headimpact_widen_f16(narrow, output, count)
    }
  }

  /// Every element, widened to float32, row after row: a norm's weight or a bias.
  public func floats() -> [Float] {
    [Float](unsafeUninitializedCapacity: rows * columns) { buffer, count in
      if let base = buffer.baseAddress {
        for row in 0..<rows { copyRow(row, into: base + row * columns) }
      }
      count = rows * columns
    }
  }
}

import CVectorMath

/// What training keeps and adds up.
extension CPUBackend {
  public func bytes(of x: Tensor, as elementType: ElementType) -> [UInt8] {
    let base = x.floatBase
    return [UInt8](unsafeUninitializedCapacity: x.count * elementType.byteCount) { bytes, count in
      count = x.count * elementType.byteCount
      guard let raw = UnsafeMutableRawPointer(bytes.baseAddress) else { return }
      switch elementType {
      case .f32: raw.copyMemory(from: base, byteCount: count)
      case .bf16: headimpact_narrow_bf16(base, raw.bindMemory(to: UInt16.self, capacity: x.count), x.count)
      case .f16: preconditionFailure("nothing is kept in float16")
      }
    }
  }

  public func fill(_ x: Tensor, from bytes: ArraySlice<UInt8>, as elementType: ElementType) {
    precondition(bytes.count == x.count * elementType.byteCount)
    bytes.withUnsafeBytes { bytes in
      guard let raw = bytes.baseAddress else { return }
      // Widened where it needs be, at whatever byte it begins.
      Tensor(owner: Borrowed.shared, base: raw, elementType: elementType, rows: 1, columns: x.count)
        .copyRow(0, into: x.floatBase)
    }
  }

  public func addExactly(_ x: Tensor, limit: Float, to words: inout [Int64]) -> Bool {
    precondition(words.count >= 2 * x.count)
    return words.withUnsafeMutableBufferPointer { words in
      guard let base = words.baseAddress, x.count > 0 else { return true }
      return headimpact_add_exactly(x.floatBase, limit, base, base + x.count, x.count) == 0
    }
  }
}

/// Stands for the owner of memory that is lent for a call.
private final class Borrowed: Sendable {
  static let shared = Borrowed()
}

import Kernels
import Safetensors

extension TensorView {
  var elementType: ElementType? {
    switch dtype {
    case .f32: .f32
    case .bf16: .bf16
    case .f16: .f16
    default: nil
    }
  }

  /// The tensor as it lies in its file, or a copy of it where its address doesn't suit its elements; nil where they are no
  /// floating-point numbers of two or four bytes.
  ///
  /// - Parameter rows: what its elements are cut into.
  func matrix(rows: Int) -> Tensor? {
    guard let elementType, rows > 0, count > 0, count.isMultiple(of: rows) else { return nil }
    return withBytes { bytes in
      guard let base = bytes.baseAddress else { return nil }
      if isAligned {
        return Tensor(owner: file, base: base, elementType: elementType, rows: rows, columns: count / rows)
      }
      let copy = AlignedBytes(bytes)
      return Tensor(owner: copy, base: copy.base, elementType: elementType, rows: rows, columns: count / rows)
    }
  }

  /// Its numbers, widened to float32; empty where it has none.
  func floats() -> [Float] { matrix(rows: 1)?.floats() ?? [] }
}

/// `@unchecked Sendable` invariant: nobody writes the bytes after `init`.
private final class AlignedBytes: @unchecked Sendable {
  private let storage: AlignedBuffer<UInt8>
  var base: UnsafeRawPointer { UnsafeRawPointer(storage.base) }

  init(_ bytes: UnsafeRawBufferPointer) {
    storage = AlignedBuffer(count: bytes.count)
    UnsafeMutableRawBufferPointer(start: storage.base, count: bytes.count).copyMemory(from: bytes)
  }
}

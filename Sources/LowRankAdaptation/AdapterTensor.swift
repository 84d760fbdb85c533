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

  /// The tensor as it lies in its file, or a copy of it where its address doesn't suit its elements; nil if they are no
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
      return Tensor(copying: bytes.bytes, elementType: elementType, rows: rows, columns: count / rows)
    }
  }

  /// Its numbers, widened to float32; empty if it has none.
  func floats() -> [Float] { matrix(rows: 1)?.floats() ?? [] }
}

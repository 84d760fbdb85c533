/// The element types that weights are stored in.
public enum ElementType: String, Sendable, CaseIterable {
  case f32
  case bf16
  case f16

  /// Size of one element, in bytes.
  public var byteCount: Int {
    switch self {
    case .f32: 4
    case .bf16, .f16: 2
    }
  }
}

/// The precision a model runs in: the type of the operands of its matrix products. Softmax, norms and
/// the residual stream are float32 in both.
public enum Precision: String, Sendable, CaseIterable {
  case f32
  case bf16
}

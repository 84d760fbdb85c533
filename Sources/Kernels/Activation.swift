import CVectorMath

/// The activation functions between two linear layers, by their Hugging Face names.
public enum Activation: String, Sendable {
  case quickGELU = "quick_gelu"
  /// x · Φ(x), by the error function.
  case gelu
  /// By tanh's approximation.
  case tanhGELU = "gelu_pytorch_tanh"
  case silu
}

extension Activation {
  /// x = activation(x). An element's bits depend on it alone, not on where it lies.
  func run(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    switch self {
    case .quickGELU: headimpact_quick_gelu(x, count)
    case .gelu: headimpact_gelu(x, count)
    case .tanhGELU: headimpact_tanh_gelu(x, count)
    case .silu: headimpact_silu(x, count)
    }
  }

  /// output = activation(gate) · up; output may be gate. Bits as of `run`.
  func run(
    gate: UnsafePointer<Float>, up: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    switch self {
    case .quickGELU: headimpact_quick_gelu_multiply(gate, up, output, count)
    case .gelu: headimpact_gelu_multiply(gate, up, output, count)
    case .tanhGELU: headimpact_tanh_gelu_multiply(gate, up, output, count)
    case .silu: headimpact_silu_multiply(gate, up, output, count)
    }
  }
}

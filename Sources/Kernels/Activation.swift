/// The activation functions between two linear layers, by their Hugging Face names.
public enum Activation: String, Sendable {
  case quickGELU = "quick_gelu"
  /// x · Φ(x), by the error function.
  case gelu
  /// By tanh's approximation.
  case tanhGELU = "gelu_pytorch_tanh"
  case silu
}

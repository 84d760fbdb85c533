import Kernels

/// The linear layers of a decoder layer, by the names of their Hugging Face modules.
public enum Projection: String, CaseIterable, Sendable, Codable, Comparable {
  case query = "q_proj"
  case key = "k_proj"
  case value = "v_proj"
  case output = "o_proj"
  case gate = "gate_proj"
  case up = "up_proj"
  case down = "down_proj"

  /// Whether it is part of the attention, not of the MLP.
  public var isOfAttention: Bool {
    switch self {
    case .query, .key, .value, .output: true
    case .gate, .up, .down: false
    }
  }

  /// The module's path below its layer: `self_attn.q_proj`, `mlp.gate_proj`.
  public var module: String {
    (isOfAttention ? "self_attn." : "mlp.") + rawValue
  }

  /// The order of the data's way through the layer.
  public static func < (left: Projection, right: Projection) -> Bool { left.place < right.place }

  private var place: Int {
    switch self {
    case .query: 0
    case .key: 1
    case .value: 2
    case .output: 3
    case .gate: 4
    case .up: 5
    case .down: 6
    }
  }
}

extension DecoderLayer {
  public subscript(projection: Projection) -> Linear {
    get {
      switch projection {
      case .query: attention.query
      case .key: attention.key
      case .value: attention.value
      case .output: attention.output
      case .gate: gate
      case .up: up
      case .down: down
      }
    }
    set {
      switch projection {
      case .query: attention.query = newValue
      case .key: attention.key = newValue
      case .value: attention.value = newValue
      case .output: attention.output = newValue
      case .gate: gate = newValue
      case .up: up = newValue
      case .down: down = newValue
      }
    }
  }
}

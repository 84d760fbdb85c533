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

extension TransformerLayer {
  /// A linear layer by its name; nil for the gate of a plain MLP.
  public subscript(projection: Projection) -> Linear? {
    switch projection {
    case .query: attention.query
    case .key: attention.key
    case .value: attention.value
    case .output: attention.output
    case .gate: feedForward.gate
    case .up: feedForward.up
    case .down: feedForward.down
    }
  }

  /// Puts another linear layer of the same shape in the place of one.
  public mutating func replace(_ projection: Projection, by linear: Linear) {
    switch projection {
    case .query: attention.query = linear
    case .key: attention.key = linear
    case .value: attention.value = linear
    case .output: attention.output = linear
    case .gate: feedForward.gate = linear
    case .up: feedForward.up = linear
    case .down: feedForward.down = linear
    }
  }
}

import Kernels

/// The one layer, of decoders and of vision towers, parameterised by values:
///
///     x += scale1 · norm1Behind(attention(norm1(x)))
///     x += scale2 · norm2Behind(feedForward(norm2(x)))
///
/// where what is nil is left out. `DecoderStack` and `EncoderStack` run it.
public struct TransformerLayer {
  /// Before the attention.
  public var inputNorm: Norm
  public var attention: Attention
  /// Behind the attention, before it is added (Gemma 2 and 3).
  public var attentionOutputNorm: Norm?
  /// Layer scale of what the attention adds. - Shape: [1, C]
  public var attentionScale: Tensor?
  /// Before the MLP.
  public var feedForwardNorm: Norm
  public var feedForward: FeedForward
  /// Behind the MLP, before it is added.
  public var feedForwardOutputNorm: Norm?
  /// Layer scale of what the MLP adds. - Shape: [1, C]
  public var feedForwardScale: Tensor?

  public init(
    inputNorm: Norm, attention: Attention, attentionOutputNorm: Norm? = nil, attentionScale: Tensor? = nil,
    feedForwardNorm: Norm, feedForward: FeedForward, feedForwardOutputNorm: Norm? = nil, feedForwardScale: Tensor? = nil
  ) {
    self.inputNorm = inputNorm
    self.attention = attention
    self.attentionOutputNorm = attentionOutputNorm
    self.attentionScale = attentionScale
    self.feedForwardNorm = feedForwardNorm
    self.feedForward = feedForward
    self.feedForwardOutputNorm = feedForwardOutputNorm
    self.feedForwardScale = feedForwardScale
  }
}

/// A norm of a decoder layer, by its module in Hugging Face transformers.
public enum DecoderNorm: String, CaseIterable, Sendable {
  case input = "input_layernorm"
  /// Before the MLP, or behind the attention where one is there.
  case postAttention = "post_attention_layernorm"
  case preFeedForward = "pre_feedforward_layernorm"
  case postFeedForward = "post_feedforward_layernorm"
  case query = "self_attn.q_norm"
  case key = "self_attn.k_norm"
}

extension TransformerLayer {
  /// Nil if the layer has no such norm.
  public subscript(norm: DecoderNorm) -> Norm? {
    switch norm {
    case .input: inputNorm
    case .postAttention: attentionOutputNorm ?? feedForwardNorm
    case .preFeedForward: attentionOutputNorm == nil ? nil : feedForwardNorm
    case .postFeedForward: feedForwardOutputNorm
    case .query: attention.queryNorm
    case .key: attention.keyNorm
    }
  }

  /// Puts another norm in the place of one that the layer has.
  public mutating func replace(_ norm: DecoderNorm, by other: Norm) {
    precondition(self[norm] != nil)
    switch norm {
    case .input: inputNorm = other
    case .postAttention: if attentionOutputNorm == nil { feedForwardNorm = other } else { attentionOutputNorm = other }
    case .preFeedForward: feedForwardNorm = other
    case .postFeedForward: feedForwardOutputNorm = other
    case .query: attention.queryNorm = other
    case .key: attention.keyNorm = other
    }
  }
}

/// The MLP: down(activation(gate x) · up x), or down(activation(up x)) without a gate.
public struct FeedForward {
  /// nil for a plain MLP, whose first layer is `up` (fc1) and second `down` (fc2).
  public var gate: Linear?
  public var up: Linear
  public var down: Linear
  public let activation: Activation

  public init(gate: Linear? = nil, up: Linear, down: Linear, activation: Activation) {
    self.gate = gate
    self.up = up
    self.down = down
    self.activation = activation
  }
}

/// Rows that are added to the residual stream behind a layer: DeepStack's (Qwen3-VL).
public struct StreamAddition {
  public let afterLayer: Int
  /// Which of the pass's segments they go to; nil for the prefix that all share.
  public let segment: Int?
  /// Which positions of the sequence they go to, counted from its start, ascending. A pass adds those of the rows that it
  /// computes.
  public let positions: [Int]
  /// - Shape: [positions.count, C].
  public let values: Tensor

  public init(afterLayer: Int, segment: Int? = nil, positions: [Int], values: Tensor) {
    precondition(values.rows == positions.count && zip(positions, positions.dropFirst()).allSatisfy { $0 < $1 })
    self.afterLayer = afterLayer
    self.segment = segment
    self.positions = positions
    self.values = values
  }

  /// Which of the values a pass adds, and to which of its rows.
  func rows(in layout: SequenceLayout) -> (values: Range<Int>, rows: [Int]) {
    let (own, firstRow) =
      if let segment {
        (layout.positions(of: segment), layout.newPrefix + layout.segments[..<segment].reduce(0, +))
      } else { (layout.cachedPrefix..<layout.prefix, 0) }
    let first = positions.firstIndex { $0 >= own.lowerBound } ?? positions.count
    let end = positions.firstIndex { $0 >= own.upperBound } ?? positions.count
    return (first..<end, positions[first..<end].map { $0 - own.lowerBound + firstRow })
  }
}

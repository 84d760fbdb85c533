import Kernels

/// The one attention: projections, rotary embedding, grouped queries.
///
/// Q, K, V [T, C] → [T, heads · D]; the output projection adds to the residual stream.
public struct Attention {
  public var query: Linear
  public var key: Linear
  public var value: Linear
  public var output: Linear
  public let shape: AttentionShape
  /// Norms of queries and keys before the rotary embedding: over D of each head, or, with a weight of all heads, over all channels.
  public var queryNorm: Norm?
  public var keyNorm: Norm?
  /// Which of a pass's angle tables turns queries and keys; nil for none (learned positions).
  public let rotary: Int?
  /// Of a decoder: a query sees this many keys at most, up to its own (sliding window); nil for all.
  public let window: Int?
  /// Whether the window holds for positions too that see one another both ways (Gemma 3). If not, they see everything up to
  /// the end of their block (PaliGemma 2, whose block begins the sequence).
  public let windowHoldsBothWays: Bool
  /// Of an encoder: which of a pass's divisions into blocks (tiles, windows) the rows see.
  public let blocks: Int

  public init(
    query: Linear, key: Linear, value: Linear, output: Linear, shape: AttentionShape, queryNorm: Norm? = nil,
    keyNorm: Norm? = nil, rotary: Int? = 0, window: Int? = nil, windowHoldsBothWays: Bool = false, blocks: Int = 0
  ) {
    precondition(window ?? 1 >= 1)
    precondition(query.outputs == shape.queryWidth && output.inputs == shape.queryWidth)
    precondition(key.outputs == shape.keyValueWidth && value.outputs == shape.keyValueWidth)
    self.query = query
    self.key = key
    self.value = value
    self.output = output
    self.shape = shape
    self.queryNorm = queryNorm
    self.keyNorm = keyNorm
    self.rotary = rotary
    self.window = window
    self.windowHoldsBothWays = windowHoldsBothWays
    self.blocks = blocks
  }
}

import Kernels

/// The one attention: projections, rotary embedding, grouped queries.
///
/// Q, K, V [T, C] → [T, heads · D]; the output projection adds to the residual stream.
public struct Attention: Sendable {
  public var query: Linear
  public var key: Linear
  public var value: Linear
  public var output: Linear
  public let shape: AttentionShape

  public init(query: Linear, key: Linear, value: Linear, output: Linear, shape: AttentionShape) {
    precondition(query.outputs == shape.queryWidth && output.inputs == shape.queryWidth)
    precondition(key.outputs == shape.keyValueWidth && value.outputs == shape.keyValueWidth)
    self.query = query
    self.key = key
    self.value = value
    self.output = output
    self.shape = shape
  }
}

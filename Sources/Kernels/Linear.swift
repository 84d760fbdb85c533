/// A linear layer: y = W x + b.
///
/// - Shape: weight [out, in], bias [1, out].
public struct Linear: Sendable {
  public let weight: Tensor
  public let bias: Tensor?

  public init(weight: Tensor, bias: Tensor? = nil) {
    precondition(bias == nil || bias?.count == weight.rows)
    self.weight = weight
    self.bias = bias
  }

  /// - Parameter bias: [out].
  @_disfavoredOverload
  public init(weight: Tensor, bias: [Float]?) {
    self.init(weight: weight, bias: bias.map { Tensor($0) })
  }

  /// Some of its outputs, as a layer: the queries of a fused projection, for one.
  public func rows(_ range: Range<Int>) -> Linear {
    Linear(
      weight: weight.rows(range),
      bias: bias.map {
        $0.reshaped(rows: $0.count, columns: 1).rows(range).reshaped(rows: 1, columns: range.count)
      })
  }

  public var inputs: Int { weight.columns }
  public var outputs: Int { weight.rows }
}

/// A low-rank update's numbers, in float32: Δy = scaling · B (A x).
///
/// - Shape: a [rank, in], b [out, rank].
public struct LowRankFactors: Sendable {
  public let a: Tensor
  public let b: Tensor
  public let scaling: Float

  public init(a: Tensor, b: Tensor, scaling: Float) {
    precondition(a.rows == b.columns)
    self.a = a
    self.b = b
    self.scaling = scaling
  }

  public var rank: Int { a.rows }
  public var inputs: Int { a.columns }
  public var outputs: Int { b.rows }
}

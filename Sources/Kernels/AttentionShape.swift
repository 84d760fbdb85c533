/// The shape of an attention: grouped queries where `keyValueHeads` is smaller than `heads`.
public struct AttentionShape: Sendable, Equatable {
  public let heads: Int
  public let keyValueHeads: Int
  public let headDim: Int
  /// What the products of queries and keys are multiplied by.
  public let scoreScale: Float
  /// A scaled score s becomes softcap · tanh(s / softcap), before the mask (Gemma 2).
  public let softcap: Float?

  /// - Parameter scoreScale: D^-1/2 by default.
  public init(heads: Int, keyValueHeads: Int, headDim: Int, scoreScale: Float? = nil, softcap: Float? = nil) {
    precondition(heads > 0 && keyValueHeads > 0 && headDim > 0 && heads % keyValueHeads == 0)
    precondition((scoreScale ?? 1) > 0 && (softcap ?? 1) > 0)
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headDim = headDim
    self.scoreScale = scoreScale ?? 1 / Float(headDim).squareRoot()
    self.softcap = softcap
  }

  /// Width of the queries and of the output: heads · D.
  public var queryWidth: Int { heads * headDim }
  /// Width of the keys and of the values.
  public var keyValueWidth: Int { keyValueHeads * headDim }
}

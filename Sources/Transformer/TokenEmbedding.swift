import Kernels

/// The beginning of the language model: a vector for every token of the vocabulary.
public final class TokenEmbedding {
  /// What an adapter makes of an embedding: (E + scaling · (B A)ᵀ) · scale.
  public struct Update {
    /// In the place of E.
    public var weight: Tensor?
    /// A [rank, vocabulary], B [C, rank].
    public var lowRank: LowRankUpdate?
    /// DoRA's m / ‖E + scaling · (B A)ᵀ‖ of each column. - Shape: [C]
    public var scale: [Float]?

    public init() {}

    public var isEmpty: Bool { weight == nil && lowRank == nil && scale == nil }
  }

  /// - Shape: [vocabulary, C].
  public let weight: Tensor
  /// An adapter's; empty for the model as it is.
  public var update = Update()

  public init(_ weight: Tensor) { self.weight = weight }

  /// One token's vector.
  ///
  /// - Shape: output [C].
  public func copyRow(_ token: Int, into output: UnsafeMutablePointer<Float>) {
    (update.weight ?? weight).copyRow(token, into: output)
    if let low = update.lowRank?.factors {
      low.addRow(token, to: output)
    }
    if let scale = update.scale {
      for column in 0..<weight.columns { output[column] *= scale[column] }
    }
  }
}

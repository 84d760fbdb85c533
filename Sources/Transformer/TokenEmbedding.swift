import Kernels

/// The beginning of the language model: a vector for every token of the vocabulary.
public final class TokenEmbedding {
  /// What an adapter makes of an embedding: (E + scaling · (B A)ᵀ) · scale.
  public struct Update {
    /// In the place of E.
    public var weight: Tensor?
    /// A [rank, vocabulary], B [C, rank].
    public var lowRank: LowRankFactors?
    /// DoRA's m / ‖E + scaling · (B A)ᵀ‖ of each column. - Shape: [1, C]
    public var scale: Tensor?

    public init() {}

    public var isEmpty: Bool { weight == nil && lowRank == nil && scale == nil }
  }

  /// - Shape: [vocabulary, C].
  public let weight: Tensor
  /// What the vectors are multiplied by (Gemma: √C); nil for nothing.
  public let factor: Float?
  /// An adapter's; empty for the unmodified model.
  public var update = Update()
  private let backend: any Backend

  public init(_ weight: Tensor, factor: Float? = nil, backend: any Backend) {
    self.weight = weight
    self.factor = factor
    self.backend = backend
  }

  /// The vectors of some tokens.
  ///
  /// - Shape: output [tokens.count, C].
  public func embed(_ tokens: some Collection<Int32>, into output: Tensor) {
    let tokens = tokens.map(Int.init)
    guard !tokens.isEmpty else { return }
    backend.gather(update.weight ?? weight, tokens, into: output)
    if let lowRank = update.lowRank { backend.addLowRankRows(lowRank, of: tokens, to: output) }
    if let scale = update.scale { backend.scaleColumns(output, by: scale, bias: nil, into: output, accumulate: false) }
    if let factor { backend.scale(output, by: factor) }
  }
}

import Kernels

/// The end of the language model: the final norm, and the scores of every token of the vocabulary.
public final class OutputHead {
  /// What an adapter makes of the head: y = scale · (W n + Δ n) + b, n being the norm's output.
  public struct Update {
    /// In the place of the final norm.
    public var norm: Norm?
    /// In the place of W.
    public var weight: Tensor?
    /// - Shape: [1, vocabulary]
    public var bias: Tensor?
    public var lowRank: LowRankFactors?
    /// DoRA's, one an output. - Shape: [1, vocabulary]
    public var scale: Tensor?

    public init() {}

    public var isEmpty: Bool { norm == nil && weight == nil && bias == nil && lowRank == nil && scale == nil }
  }

  public let norm: Norm
  public let weight: Linear
  /// Scores y become cap · tanh(y / cap) (Gemma 2); nil for none.
  public let softcap: Float?
  /// An adapter's; empty for the unmodified model.
  public var update = Update()
  private let backend: any Backend
  private let normScratch = ScratchTensor()
  private let scores = ScratchTensor()
  private let scaled = ScratchTensor()
  private let capped = ScratchTensor()
  private let gradient = ScratchTensor()

  /// Rows at a time: a vocabulary of 150,000 takes 40 MB for them.
  private static let rowsAtATime = 64

  /// The vocabulary's size.
  public var outputs: Int { weight.outputs }

  public init(norm: Norm, weight: Tensor, softcap: Float? = nil, backend: any Backend) {
    precondition(weight.columns == norm.weight.columns)
    self.norm = norm
    self.weight = Linear(weight: weight)
    self.softcap = softcap
    self.backend = backend
  }

  /// The score of each token of the vocabulary, before the softmax.
  ///
  /// - Shape: hidden [rows, C], the result [rows, vocabulary], valid until the next call.
  public func logits(_ hidden: Tensor) throws -> Tensor {
    backend.normalize(hidden, update.norm ?? norm, groups: 1, into: normed(rows: hidden.rows))
    let logits = scores.reserving(rows: hidden.rows, columns: outputs, on: backend)
    let linear = update.isEmpty ? weight : Linear(weight: update.weight ?? weight.weight, bias: update.bias)
    try backend.withOperand(normed(rows: hidden.rows)) { operand in
      try backend.apply(
        linear, update.lowRank, scale: update.scale, to: operand, input: operand.floats, into: logits, scratch: scaled)
    }
    if let softcap { backend.softcap(logits, softcap) }
    return logits
  }

  /// The loss of each row, -log P(target), and the gradient of their sum.
  ///
  /// - Shape: hidden, gradient [targets.count, C]; gradient may be nil if only the loss is wanted, or be hidden itself.
  /// - Returns: the losses, [targets.count].
  public func crossEntropy(_ hidden: Tensor, targets: [Int32], gradient: Tensor?) throws -> [Double] {
    precondition(gradient == nil || update.isEmpty, "there is no backward pass through parts that an adapter changes")
    precondition(hidden.rows == targets.count && targets.allSatisfy { (0..<Int32(outputs)).contains($0) })
    var losses: [Double] = []
    for first in stride(from: 0, to: targets.count, by: Self.rowsAtATime) {
      let rows = first..<min(first + Self.rowsAtATime, targets.count)
      let stream = hidden.rows(rows)
      let logits = try logits(stream)
      let y = gradient == nil ? nil : keptForSoftcap(logits)
      losses += backend.crossEntropy(logits, targets: targets[rows])
      guard let gradient else { continue }
      if let softcap, let y { backend.softcapBackward(logits, y: y, softcap) }
      let dNormed = normed(rows: rows.count)
      try backend.withOperand(logits) { try backend.applyBackward(weight, to: $0, into: dNormed, accumulate: false) }
      let result = self.gradient.reserving(rows: rows.count, columns: hidden.columns, on: backend)
      backend.zero(result)
      backend.normalizeBackward(dNormed, x: stream, norm, groups: 1, into: result)
      backend.copy(result, to: gradient.rows(rows))
    }
    return losses
  }

  private func normed(rows: Int) -> Tensor {
    normScratch.reserving(rows: rows, columns: norm.weight.columns, on: backend)
  }

  /// A copy of the capped scores, whose own place the gradient takes.
  private func keptForSoftcap(_ logits: Tensor) -> Tensor? {
    guard softcap != nil else { return nil }
    let kept = capped.reserving(rows: logits.rows, columns: logits.columns, on: backend)
    backend.copy(logits, to: kept)
    return kept
  }
}

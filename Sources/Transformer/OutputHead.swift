import Kernels

/// The end of the language model: the final norm, and the scores of every token of the vocabulary.
public final class OutputHead {
  /// What an adapter makes of the head: y = scale · (W n + Δ n) + b, n being the norm's output.
  public struct Update {
    /// In the place of the final norm's.
    public var norm: [Float]?
    /// In the place of W.
    public var weight: Tensor?
    public var bias: [Float]?
    public var lowRank: LowRankUpdate?
    /// DoRA's, one an output.
    public var scale: [Float]?

    public init() {}

    public var isEmpty: Bool { norm == nil && weight == nil && bias == nil && lowRank == nil && scale == nil }
  }

  public let norm: [Float]
  public let weight: Linear
  /// An adapter's; empty for the model as it is.
  public var update = Update()
  private let eps: Float
  private let context: ComputeContext
  private var normed = AlignedBuffer<Float>()
  private var scores = AlignedBuffer<Float>()
  private var adaptation = AdaptationScratch()
  private var gradient = AlignedBuffer<Float>()

  /// Rows at a time: a vocabulary of 150,000 takes 40 MB for them.
  private static let rowsAtATime = 64

  /// The vocabulary's size.
  public var outputs: Int { weight.outputs }

  public init(norm: [Float], weight: Tensor, eps: Float, context: ComputeContext) {
    precondition(weight.columns == norm.count)
    self.norm = norm
    self.weight = Linear(weight: weight)
    self.eps = eps
    self.context = context
  }

  /// The score of each token of the vocabulary, before the softmax.
  ///
  /// - Shape: hidden [rows, C], the result [rows, vocabulary].
  /// - Throws: `OneDNNError`.
  public func logits(_ hidden: UnsafePointer<Float>, rows: Int) throws -> [Float] {
    let logits = try score(hidden, rows: rows)
    return Array(UnsafeBufferPointer(start: logits, count: rows * outputs))
  }

  /// The loss of each row, -log P(target), and the gradient of their sum.
  ///
  /// - Shape: hidden, gradient [targets.count, C]; gradient may be nil where only the loss is wanted, or be hidden itself.
  /// - Returns: the losses, [targets.count].
  /// - Throws: `OneDNNError`.
  public func crossEntropy(
    _ hidden: UnsafePointer<Float>, targets: [Int32], gradient: UnsafeMutablePointer<Float>?
  ) throws -> [Double] {
    let size = norm.count
    precondition(gradient == nil || update.isEmpty, "there is no backward pass through parts that an adapter changes")
    precondition(targets.allSatisfy { (0..<Int32(outputs)).contains($0) })
    var losses: [Double] = []
    for first in stride(from: 0, to: targets.count, by: Self.rowsAtATime) {
      let rows = min(Self.rowsAtATime, targets.count - first)
      let stream = hidden + first * size
      let logits = try score(stream, rows: rows)
      losses += context.crossEntropy(logits, vocabulary: outputs, targets: targets[first..<first + rows])
      guard let gradient else { continue }
      let dNormed = normed.base
      try context.applyBackward(weight, to: logits, rows: rows, into: dNormed)
      let result = self.gradient.reserving(rows * size)
      result.update(repeating: 0, count: rows * size)
      context.rmsNormBackward(dNormed, x: stream, weight: norm, eps: eps, into: result, rows: rows)
      (gradient + first * size).update(from: result, count: rows * size)
    }
    return losses
  }

  private func score(_ hidden: UnsafePointer<Float>, rows: Int) throws -> UnsafeMutablePointer<Float> {
    let size = norm.count
    normed.reserve(rows * size)
    scores.reserve(rows * outputs)
    context.rmsNorm(hidden, weight: update.norm ?? norm, eps: eps, into: normed.base, rows: rows)
    let linear = update.isEmpty ? weight : Linear(weight: update.weight ?? weight.weight, bias: update.bias)
    try context.withOperand(normed.base, rows: rows, columns: size) { operand in
      try operand.withFloats {
        try context.apply(
          linear, update.lowRank?.factors, scale: update.scale, to: operand, input: $0, into: scores.base,
          scratch: &adaptation)
      }
    }
    return scores.base
  }
}

import Kernels

/// What an adapter changes beside the low-rank updates of the decoder's linear layers; empty for a plain one. Passes that only
/// compute apply it; training takes none.
public struct AdapterParts {
  /// Decoder layers with a weight, a bias or a norm of the adapter's own, by index.
  public var layers: [Int: TransformerLayer] = [:]
  /// DoRA's m / ‖W + scaling · B A‖ of each output: y = scale · (W x + scaling · B A x) + b. - Shape: [1, out] each
  public var outputScales: [LoRATarget: Tensor] = [:]
  public var embedding = TokenEmbedding.Update()
  public var head = OutputHead.Update()

  public init() {}

  public var isEmpty: Bool { layers.isEmpty && outputScales.isEmpty && embedding.isEmpty && head.isEmpty }
}

extension Backend {
  /// y (+)= scale · (W x + Δ x') + b, Δ being a low-rank update.
  ///
  /// - Parameters:
  ///   - input: x', what Δ is applied to: x, or what dropout leaves of it.
  ///   - scratch: for the product before it is scaled.
  func apply(
    _ linear: Linear, _ update: LowRankFactors?, scale: Tensor? = nil, to x: borrowing Operand, input: Tensor,
    into output: Tensor, accumulate: Bool = false, scratch: ScratchTensor
  ) throws {
    guard let scale else {
      try apply(linear, to: x, into: output, accumulate: accumulate)
      if let update { try applyLowRank(update, to: input, into: output) }
      return
    }
    let product = scratch.reserving(rows: x.rows, columns: linear.outputs, on: self)
    try apply(Linear(weight: linear.weight), to: x, into: product, accumulate: false)
    if let update { try applyLowRank(update, to: input, into: product) }
    scaleColumns(product, by: scale, bias: linear.bias, into: output, accumulate: accumulate)
  }
}

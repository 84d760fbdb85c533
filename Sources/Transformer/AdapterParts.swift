import Kernels

/// What an adapter changes beside the low-rank updates of the decoder's linear layers; empty for a plain one. Passes that only
/// compute apply it; training takes none.
public struct AdapterParts {
  /// Decoder layers with a weight, a bias or a norm of the adapter's own, by index.
  public var layers: [Int: DecoderLayer] = [:]
  /// DoRA's m / ‖W + scaling · B A‖ of each output: y = scale · (W x + scaling · B A x) + b.
  public var outputScales: [LoRATarget: [Float]] = [:]
  public var embedding = TokenEmbedding.Update()
  public var head = OutputHead.Update()

  public init() {}

  public var isEmpty: Bool { layers.isEmpty && outputScales.isEmpty && embedding.isEmpty && head.isEmpty }
}

/// One low-rank update that owns its numbers.
///
/// - Shape: A [rank, in], B [out, rank].
public final class LowRankUpdate {
  private let storage: AlignedBuffer<Float>
  public let rank: Int
  public let inputs: Int
  public let outputs: Int
  public let scaling: Float

  /// - Parameters:
  ///   - a: as many numbers as the shape says.
  ///   - b: as many numbers as the shape says.
  public init(a: [Float], b: [Float], rank: Int, scaling: Float) {
    precondition(rank >= 1 && a.count.isMultiple(of: rank) && b.count.isMultiple(of: rank))
    self.rank = rank
    self.scaling = scaling
    (inputs, outputs) = (a.count / rank, b.count / rank)
    storage = AlignedBuffer(count: a.count + b.count)
    for (place, value) in a.enumerated() { storage.base[place] = value }
    for (place, value) in b.enumerated() { storage.base[a.count + place] = value }
  }

  /// The numbers, for the kernels; valid as long as the update.
  public var factors: LowRankFactors {
    let base = UnsafePointer(storage.base)
    return LowRankFactors(
      a: base, b: base + rank * inputs, rank: rank, inputs: inputs, outputs: outputs, scaling: scaling)
  }
}

/// Scratch of adapted products.
struct AdaptationScratch: ~Copyable {
  var lowRank = AlignedBuffer<Float>()
  var scaled = AlignedBuffer<Float>()
}

extension ComputeContext {
  /// y (+)= scale · (W x + Δ x') + b, Δ being a low-rank update.
  ///
  /// - Parameter input: x', what Δ is applied to: x, or what dropout leaves of it.
  /// - Throws: `OneDNNError`.
  func apply(
    _ linear: Linear, _ update: LowRankFactors?, scale: [Float]? = nil, to x: borrowing Operand,
    input: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>, accumulate: Bool = false,
    scratch: inout AdaptationScratch
  ) throws {
    guard let scale else {
      try apply(linear, to: x, into: output, accumulate: accumulate)
      if let update { try applyLowRank(update, to: input, into: output, rows: x.rows, scratch: &scratch.lowRank) }
      return
    }
    let product = scratch.scaled.reserving(x.rows * linear.outputs)
    try apply(Linear(weight: linear.weight), to: x, into: product)
    if let update { try applyLowRank(update, to: input, into: product, rows: x.rows, scratch: &scratch.lowRank) }
    self.scale(product, by: scale, bias: linear.bias, into: output, rows: x.rows, accumulate: accumulate)
  }
}

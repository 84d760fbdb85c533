import Transformer

/// Clipping by the global norm, as torch's `clip_grad_norm_`.
public enum GradientClipping {
  /// The L2 norm over the trainable parameters, in float64 and in the order of the buffer.
  public static func norm(of gradient: [Float], over trainable: [Range<Int>]) -> Double {
    var squares = 0.0
    for range in trainable {
      for place in range { squares += Double(gradient[place]) * Double(gradient[place]) }
    }
    return squares.squareRoot()
  }

  /// Scales the gradient by min(1, maximumNorm / (norm + 1e-6)).
  ///
  /// - Parameter maximumNorm: above 0; infinity changes nothing.
  /// - Returns: the norm before.
  /// - Throws: `LowRankAdaptationError` if the norm is not finite: a step with it would spoil every weight.
  @discardableResult
  public static func clip(
    _ gradient: inout [Float], over trainable: [Range<Int>], maximumNorm: Double
  ) throws -> Double {
    precondition(maximumNorm > 0)
    let norm = norm(of: gradient, over: trainable)
    guard norm.isFinite else {
      throw LowRankAdaptationError(
        "the gradient's norm is \(norm): training has diverged; a lower learning rate or a longer warm-up may help")
    }
    let factor = Float(min(1, maximumNorm / (norm + 1e-6)))
    guard factor < 1 else { return norm }
    for range in trainable {
      for place in range { gradient[place] *= factor }
    }
    return norm
  }
}

extension LowRankAdapter {
  /// What training may change: everything, where no heads are chosen.
  public var trainableParameters: [Range<Int>] { count > 0 ? [0..<count] : [] }
}

import Foundation

/// AdamW (Loshchilov and Hutter 2017, arXiv 1711.05101), in the order of operations of `torch.optim.AdamW`.
///
/// Plain scalar arithmetic, the same on every processor: ranks step by themselves and must agree on every bit.
public struct AdamW: Sendable, Equatable {
  public let weightDecay: Double
  public private(set) var step: Int
  /// Running mean of the gradient, and of its square. - Shape: as the parameters.
  public private(set) var mean: [Float]
  public private(set) var square: [Float]

  private static let beta1 = 0.9
  private static let beta2 = 0.999
  private static let eps = 1e-8

  public init(count: Int, weightDecay: Double = 0) {
    self.init(
      weightDecay: weightDecay, step: 0, mean: [Float](repeating: 0, count: count),
      square: [Float](repeating: 0, count: count))
  }

  /// As it stood after `step` steps.
  public init(weightDecay: Double, step: Int, mean: [Float], square: [Float]) {
    precondition(mean.count == square.count && step >= 0)
    self.weightDecay = weightDecay
    self.step = step
    self.mean = mean
    self.square = square
  }

  /// One step down the gradient, for the free parameters only.
  ///
  /// - Shape: parameters, gradient as the moments.
  public mutating func update(
    _ parameters: UnsafeMutableBufferPointer<Float>, gradient: [Float], free: [Range<Int>], learningRate: Double
  ) {
    precondition(parameters.count == mean.count && gradient.count == mean.count)
    step += 1
    let decay = Float(1 - learningRate * weightDecay)
    let stepSize = Float(learningRate / (1 - pow(Self.beta1, Double(step))))
    let rootCorrection = Float((1 - pow(Self.beta2, Double(step))).squareRoot())
    let (keep, take) = (Float(Self.beta2), Float(1 - Self.beta2))
    let lerp = Float(1 - Self.beta1)
    let eps = Float(Self.eps)
    for range in free {
      for i in range {
        let g = gradient[i]
        parameters[i] *= decay
        mean[i] += lerp * (g - mean[i])
        square[i] = square[i] * keep + take * g * g
        parameters[i] -= stepSize * (mean[i] / (square[i].squareRoot() / rootCorrection + eps))
      }
    }
  }
}

/// The norm of the free parameters' gradient; one longer than `most` is shortened to it (`torch.nn.utils.clip_grad_norm_`).
///
/// - Parameter most: 0 for no limit.
/// - Returns: the norm before.
public func clipGradient(_ gradient: inout [Float], free: [Range<Int>], most: Double) -> Double {
  var squares = 0.0
  for range in free {
    for i in range { squares += Double(gradient[i]) * Double(gradient[i]) }
  }
  let norm = squares.squareRoot()
  let factor = most > 0 ? min(1, most / (norm + 1e-6)) : 1
  guard factor < 1 else { return norm }
  for range in free {
    for i in range { gradient[i] *= Float(factor) }
  }
  return norm
}

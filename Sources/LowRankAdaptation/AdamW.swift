import Transformer

/// Adam with decoupled weight decay (Loshchilov, Hutter 2019, arXiv 1711.05101), in the order of operations of
/// `torch.optim.AdamW`.
///
/// Plain additions, multiplications, divisions and square roots, each of which IEEE 754 rounds in one way: all ranks
/// get the same bits, whatever their processors.
public struct AdamW: Sendable {
  public let beta1: Double
  public let beta2: Double
  public let epsilon: Double
  public let weightDecay: Double
  /// Steps taken.
  public var step = 0
  /// Running means of the gradient and of its square, as long as the flat buffer; zero where nothing is trainable.
  public var firstMoments: [Float]
  public var secondMoments: [Float]

  /// - Parameter count: of the flat buffer.
  public init(
    count: Int, weightDecay: Double = 0, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8
  ) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    firstMoments = [Float](repeating: 0, count: count)
    secondMoments = [Float](repeating: 0, count: count)
  }

  /// One step over an adapter's trainable parameters; the others aren't touched.
  public mutating func update(
    _ adapter: LowRankAdapter, gradient: [Float], over trainable: [Range<Int>], learningRate: Double
  ) {
    adapter.withParameters { update(&$0, gradient: gradient, over: trainable, learningRate: learningRate) }
  }

  /// One step over the trainable parameters; the others aren't touched.
  ///
  /// - Shape: parameters and gradient as long as the flat buffer.
  mutating func update(
    _ parameters: inout MutableSpan<Float>, gradient: [Float], over trainable: [Range<Int>], learningRate: Double
  ) {
    precondition(parameters.count == firstMoments.count && parameters.count == secondMoments.count)
    precondition(gradient.count == parameters.count)
    step += 1
    let decay = Float(1 - learningRate * weightDecay)
    let keep = Float(beta2)
    let take1 = Float(1 - beta1)
    let take2 = Float(1 - beta2)
    let stepSize = Float(-(learningRate / (1 - power(beta1, step))))
    let correction = Float((1 - power(beta2, step)).squareRoot())
    let epsilon = Float(epsilon)
    // Taken out while they are written, so that nothing is copied.
    var (first, second): ([Float], [Float]) = ([], [])
    swap(&first, &firstMoments)
    swap(&second, &secondMoments)
    for range in trainable {
      for place in range {
        let g = gradient[place]
        let mean = first[place] + take1 * (g - first[place])
        let square = second[place] * keep + take2 * g * g
        first[place] = mean
        second[place] = square
        let denominator = square.squareRoot() / correction + epsilon
        parameters[place] = parameters[place] * decay + stepSize * mean / denominator
      }
    }
    swap(&first, &firstMoments)
    swap(&second, &secondMoments)
  }

  /// By squaring: the C library's `pow` may end in another bit on another processor.
  private func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, square, rest) = (1.0, base, exponent)
    while rest > 0 {
      if rest & 1 == 1 { result *= square }
      square *= square
      rest >>= 1
    }
    return result
  }
}

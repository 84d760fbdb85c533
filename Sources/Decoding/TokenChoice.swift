import Foundation
import HeadImpact

/// The choice of one token from the scores of a vocabulary.
enum TokenChoice {
  static func areFinite(_ scores: Span<Float>) -> Bool {
    // Infinities and what isn't a number have all bits of the exponent set.
    var all = true
    for index in scores.indices { all = all && scores[index].bitPattern & 0x7f80_0000 != 0x7f80_0000 }
    return all
  }

  /// The likeliest token; the lower id of equals.
  ///
  /// - Shape: logits [vocabulary], not empty, as of the others.
  static func greedy(_ logits: Span<Float>) -> Int32 {
    var (best, highest) = (0, logits[0])
    for index in logits.indices where logits[index] > highest { (best, highest) = (index, logits[index]) }
    return Int32(best)
  }

  /// A token drawn by its probability at this temperature, among the likeliest that have the share `topP` together.
  ///
  /// - Parameter unit: a random number in [0, 1).
  static func sample(_ logits: Span<Float>, temperature: Double, topP: Double, unit: Double) -> Int32 {
    let peak = Double(peak(of: logits))
    var weights = [Double](repeating: 0, count: logits.count)
    for index in logits.indices { weights[index] = exp((Double(logits[index]) - peak) / temperature) }
    let total = weights.reduce(0, +)
    let order = weights.indices.sorted { (weights[$0], $1) > (weights[$1], $0) }
    // The smallest set whose probability reaches topP; the token that reaches it belongs to it.
    var kept: [Int] = []
    var mass = 0.0
    for token in order {
      kept.append(token)
      mass += weights[token]
      if mass >= topP * total { break }
    }
    var rest = unit * mass
    for token in kept {
      rest -= weights[token]
      if rest < 0 { return Int32(token) }
    }
    return Int32(kept.last ?? 0)
  }

  /// The random number for one token of one example: nothing else has a say in it.
  static func unit(seed: UInt64, example: Int64, step: Int) -> Double {
    let stream = SplitMix64(seed: seed)[UInt64(bitPattern: example)]
    return Double(SplitMix64(seed: stream)[UInt64(step)] >> 11) * 0x1p-53
  }

  /// log softmax in float32, as the beam search of transformers adds it up.
  static func logSoftmax(_ logits: Span<Float>) -> [Float] {
    let peak = peak(of: logits)
    var sum = 0.0
    for index in logits.indices { sum += exp(Double(logits[index] - peak)) }
    let shift = Float(log(sum))
    var result = [Float](repeating: 0, count: logits.count)
    for index in logits.indices { result[index] = logits[index] - peak - shift }
    return result
  }

  private static func peak(of logits: Span<Float>) -> Float { logits[Int(greedy(logits))] }
}

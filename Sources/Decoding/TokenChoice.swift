import Foundation
import HeadImpact

/// The choice of one token from the scores of a vocabulary.
enum TokenChoice {
  /// The likeliest token; the lower id of equals.
  static func greedy(_ logits: ArraySlice<Float>) -> Int32 {
    var best = logits.startIndex
    for index in logits.indices where logits[index] > logits[best] { best = index }
    return Int32(best - logits.startIndex)
  }

  /// A token drawn by its probability at this temperature, among the likeliest that have the share `topP` together.
  ///
  /// - Parameter unit: a random number in [0, 1).
  static func sample(_ logits: ArraySlice<Float>, temperature: Double, topP: Double, unit: Double) -> Int32 {
    let peak = Double(logits.max() ?? 0)
    let weights = logits.map { exp((Double($0) - peak) / temperature) }
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
  static func logSoftmax(_ logits: ArraySlice<Float>) -> [Float] {
    let peak = logits.max() ?? 0
    let sum = logits.reduce(0.0) { $0 + exp(Double($1 - peak)) }
    let shift = Float(log(sum))
    return logits.map { $0 - peak - shift }
  }
}

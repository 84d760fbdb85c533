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
    var octaves = WeightOctaves(weights)
    var kept: [Int] = []
    var mass = total
    if topP < 1 {
      // The smallest set whose probability reaches topP; the token that reaches it belongs to it.
      mass = 0
      reaching: while let tokens = octaves.next() {
        for token in tokens {
          kept.append(token)
          mass += weights[token]
          if mass >= topP * total { break reaching }
        }
      }
    }
    var rest = unit * mass
    var last = 0
    var tokens = topP < 1 ? kept : octaves.next()
    while let some = tokens {
      for token in some {
        rest -= weights[token]
        last = token
        if rest < 0 { return Int32(token) }
      }
      tokens = topP < 1 ? nil : octaves.next()
    }
    // Rounding has left nothing.
    return Int32(last)
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

/// Places by their weights, the highest first, the lower place of equals: sorted as far as they are asked for, as the first
/// few of a vocabulary hold nearly all of its probability.
private struct WeightOctaves {
  /// What is smaller than 2 to the power of minus this, and 0, is in the last octave.
  private static let last = 64

  private let weights: [Double]
  /// By octave, ascending within.
  private let places: [Int]
  private let ends: [Int]
  private var octave = 0

  /// - Parameter weights: in [0, 1].
  init(_ weights: [Double]) {
    func octave(_ weight: Double) -> Int { weight == 0 ? Self.last : min(Self.last, max(0, -Int(weight.exponent))) }
    var ends = [Int](repeating: 0, count: Self.last + 1)
    for weight in weights { ends[octave(weight)] += 1 }
    for index in 1...Self.last { ends[index] += ends[index - 1] }
    var next = ends
    var places = [Int](repeating: 0, count: weights.count)
    for place in weights.indices.reversed() {
      let at = octave(weights[place])
      next[at] -= 1
      places[next[at]] = place
    }
    (self.weights, self.places, self.ends) = (weights, places, ends)
  }

  /// The next octave's places in their order; nil behind the last.
  mutating func next() -> [Int]? {
    guard octave <= Self.last else { return nil }
    let range = (octave == 0 ? 0 : ends[octave - 1])..<ends[octave]
    octave += 1
    return places[range].sorted { (weights[$0], $1) > (weights[$1], $0) }
  }
}

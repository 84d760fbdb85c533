import Foundation

/// Chooses one token by its scores.
struct TokenSampler: Sendable {
  /// 0 for the likeliest token.
  let temperature: Double
  let topP: Double
  let seed: UInt64
  /// Tells the draws of one example from those of another.
  let stream: UInt64

  /// - Parameter step: how many tokens the answer has already.
  func token(from logits: ArraySlice<Float>, step: Int) -> Int32 {
    guard temperature > 0 else { return Int32(likeliest(of: logits)) }
    let most = Double(logits.max() ?? 0)
    var drawn = logits.enumerated().map { (token: $0, weight: exp((Double($1) - most) / temperature)) }
    if topP < 1 { drawn = nucleus(drawn) }
    var left = uniform(step: step) * drawn.reduce(0) { $0 + $1.weight }
    for (token, weight) in drawn {
      left -= weight
      if left < 0 { return Int32(token) }
    }
    return Int32(likeliest(of: logits))
  }

  /// The likeliest tokens, as many as it takes to have `topP` of the whole weight; of equal ones the lower token first.
  private func nucleus(_ weights: [(token: Int, weight: Double)]) -> [(token: Int, weight: Double)] {
    var left = topP * weights.reduce(0) { $0 + $1.weight }
    var kept: [(token: Int, weight: Double)] = []
    for candidate in weights.sorted(by: { ($0.weight, $1.token) > ($1.weight, $0.token) }) where left > 0 {
      kept.append(candidate)
      left -= candidate.weight
    }
    return kept
  }

  /// A number in 0..<1 that depends on the seed, the example and the step, and on nothing drawn before.
  private func uniform(step: Int) -> Double {
    let bits = Self.mix(Self.mix(Self.mix(seed) ^ stream) ^ UInt64(step))
    return Double(bits >> 11) * 0x1p-53
  }

  /// The output function of SplitMix64 (Steele et al. 2014), of the next state.
  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// The place of the highest score, counted from 0; of equal ones the first.
func likeliest(of logits: ArraySlice<Float>) -> Int {
  var best = logits.startIndex
  for index in logits.indices where logits[index] > logits[best] { best = index }
  return best - logits.startIndex
}

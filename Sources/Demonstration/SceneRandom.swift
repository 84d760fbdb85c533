import HeadImpact

/// Random numbers one after the other: those of `SplitMix64`, whose seed is the first number of the scene's.
///
/// Everything random about a scene comes from it through integers alone, so that `tools/demo-model/scenes.py` draws the
/// same scenes.
struct SceneRandom: Sendable {
  private let numbers: SplitMix64
  private var counter: UInt64 = 0

  init(seed: UInt64) {
    numbers = SplitMix64(seed: SplitMix64(seed: seed)[0])
  }

  mutating func next() -> UInt64 {
    defer { counter += 1 }
    return numbers[counter]
  }

  /// An integer in `0 ..< bound`.
  mutating func below(_ bound: Int) -> Int {
    precondition(bound > 0 && bound <= Int(UInt32.max))
    return Int(((next() >> 32) * UInt64(bound)) >> 32)
  }

  /// An integer in a closed range.
  mutating func within(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + below(range.count)
  }
}

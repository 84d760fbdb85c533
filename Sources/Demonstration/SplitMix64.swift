/// The splitmix64 generator (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
///
/// Everything random about a scene comes from it through integers alone, so that `tools/demo-model/scenes.py` draws the
/// same scenes.
struct SplitMix64: Sendable {
  private var state: UInt64
  private static let golden: UInt64 = 0x9E37_79B9_7F4A_7C15

  init(seed: UInt64) {
    state = Self.mix(seed &+ Self.golden)
  }

  mutating func next() -> UInt64 {
    state &+= Self.golden
    return Self.mix(state)
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

  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

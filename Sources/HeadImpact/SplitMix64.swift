/// Random numbers by counter: number i of a seed is a function of (seed, i) alone, whoever asks and in whatever order.
///
/// They are the outputs of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), whose
/// state after i steps is seed + i * 0x9e3779b97f4a7c15.
public struct SplitMix64: Sendable {
  public let seed: UInt64

  public init(seed: UInt64) { self.seed = seed }

  @inline(__always)
  public subscript(counter: UInt64) -> UInt64 {
    var z = seed &+ (counter &+ 1) &* 0x9e37_79b9_7f4a_7c15
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// Number `counter` brought to 0..<bound by multiplication; uneven by less than bound / 2^64.
  @inline(__always)
  public func below(_ bound: Int, counter: UInt64) -> Int {
    Int(self[counter].multipliedFullWidth(by: UInt64(bound)).high)
  }
}

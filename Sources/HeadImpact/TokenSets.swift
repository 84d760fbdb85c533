/// The sets of visual tokens that a head singles out.
enum TokenSet: UInt64 {
  /// The k highest-scoring.
  case matched
  /// Those scoring above the mean.
  case aboveMean
  /// Those at or above Otsu's threshold.
  case otsu
  /// The single highest-scoring one.
  case highest
}

/// One count per token set, 16 bits each: adding words counts all four sets in one instruction.
///
/// Sums and differences of words are exact modulo 2^64, so a difference of prefix sums is right even where the prefixes
/// themselves ran over, as long as the counts it stands for are under 65,536: hence `maximumVisualTokens`.
struct TokenSetCounts: Equatable {
  static let maximumVisualTokens = 65_535

  var word: UInt64 = 0

  @inline(__always)
  subscript(set: TokenSet) -> Int { Int(truncatingIfNeeded: (word >> (16 * set.rawValue)) & 0xffff) }

  @inline(__always)
  static func one(_ set: TokenSet) -> UInt64 { 1 << (16 * set.rawValue) }
}

/// One head's attention on the visual tokens of one sample, made ready to be compared with masks.
struct HeadAttention {
  /// Attention relative to its peak, in [0, 1]; zeros where the head sees nothing. - Shape: [V]
  private(set) var relative: [Double]
  /// A `TokenSetCounts` word for each visual token: which sets it is in. - Shape: [V]
  private(set) var sets: [UInt64]
  /// How many tokens each set has.
  private(set) var counts = TokenSetCounts()
  private(set) var peak = 0.0
  private(set) var sum = 0.0
  private(set) var relativeSum = 0.0

  private var scores: [Double]

  /// Buffers for heads over `visualTokens` tokens.
  init(visualTokens: Int) {
    relative = [Double](repeating: 0, count: visualTokens)
    scores = relative
    sets = [UInt64](repeating: 0, count: visualTokens)
  }

  /// Takes a head's scores.
  ///
  /// - Parameters:
  ///   - attention: [V], finite and not negative.
  ///   - ignored: [V]; tokens whose score counts as 0; nil for none.
  ///   - maskCount: k, the size of `TokenSet.matched`.
  /// - Complexity: O(V)
  mutating func read(_ attention: UnsafeBufferPointer<Float>, ignoring ignored: [Bool]?, maskCount: Int) {
    for v in scores.indices { scores[v] = Double(attention[v]) }
    if let ignored { for v in scores.indices where ignored[v] { scores[v] = 0 } }

    var highest = 0
    for v in scores.indices where scores[v] > scores[highest] { highest = v }
    peak = scores[highest]
    sum = pairwiseSum(scores)
    let mean = sum / Double(scores.count)
    let otsu = otsuThreshold(scores)
    var total = 0.0
    var word: UInt64 = 0
    for v in scores.indices {
      let score = scores[v]
      relative[v] = peak > 0 ? score / peak : 0
      total += relative[v]
      var token: UInt64 = 0
      if score > mean { token |= TokenSetCounts.one(.aboveMean) }
      if score >= otsu { token |= TokenSetCounts.one(.otsu) }
      if v == highest { token |= TokenSetCounts.one(.highest) }
      sets[v] = token
      word &+= token
    }
    relativeSum = total
    forEachOfHighest(maskCount, of: scores) { sets[$0] |= TokenSetCounts.one(.matched) }
    word &+= UInt64(maskCount) * TokenSetCounts.one(.matched)
    counts = TokenSetCounts(word: word)
  }

  /// The overlap of this head with the unshifted mask.
  func overlap(with mask: TokenMask) -> MaskOverlap {
    var shared = MaskOverlap()
    for v in sets.indices where mask.isObject[v] {
      shared.tokens.word &+= sets[v]
      shared.relative += relative[v]
    }
    return shared
  }
}

/// The overlap of a head's attention with a mask.
struct MaskOverlap {
  /// How many of the mask's tokens are in each of the head's token sets.
  var tokens = TokenSetCounts()
  /// The sum over the mask's tokens of the head's attention relative to its peak.
  var relative = 0.0
}

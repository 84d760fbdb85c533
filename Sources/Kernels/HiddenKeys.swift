/// Keys that some heads don't see: attention knockout. Their scores are as if they were -∞ before the softmax, so a head's other
/// weights still sum to 1 (Geva et al., 2023, "Dissecting Recall of Factual Associations in Auto-Regressive Language Models").
public struct HiddenKeys: Sendable, Equatable {
  public let heads: Set<Int>
  /// Positions of the hidden keys (see `AttentionSpan`), ascending.
  public let keys: [Range<Int>]
  /// Positions of queries that see them all the same, ascending. No other query may stand at a hidden key: it would not
  /// see itself.
  public let sparedQueries: [Range<Int>]

  public init(heads: Set<Int>, keys: [Range<Int>], sparedQueries: [Range<Int>]) {
    (self.heads, self.keys, self.sparedQueries) = (heads, keys, sparedQueries)
  }

  func isHidden(from head: Int, at position: Int) -> Bool {
    heads.contains(head) && !sparedQueries.contains { $0.contains(position) }
  }

  /// What is left of some positions, and what isn't.
  func cut(_ seen: Range<Int>) -> (kept: [Range<Int>], hidden: [Range<Int>]) {
    var (kept, hidden): ([Range<Int>], [Range<Int>]) = ([], [])
    var next = seen.lowerBound
    for range in keys.map({ $0.clamped(to: seen) }) where !range.isEmpty {
      if next < range.lowerBound { kept.append(next..<range.lowerBound) }
      hidden.append(range)
      next = range.upperBound
    }
    if next < seen.upperBound { kept.append(next..<seen.upperBound) }
    return (kept, hidden)
  }
}

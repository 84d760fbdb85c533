import Kernels

/// The rows of one decoder pass: a prefix that all share, then segments that see the prefix and themselves.
///
/// One sequence is a prefix and no segment, or one segment. Several captions of one image are one prefix (its prompt
/// and visual tokens) and a segment each: the same numbers as separate sequences, for one reading of the weights.
public struct SequenceLayout: Sendable, Equatable {
  /// Rows of the prefix whose keys and values are in the cache.
  public let cachedPrefix: Int
  /// Rows of the prefix that this pass computes.
  public let newPrefix: Int
  /// Rows of each segment.
  public let segments: [Int]

  public init(cachedPrefix: Int = 0, newPrefix: Int, segments: [Int] = []) {
    precondition(cachedPrefix >= 0 && newPrefix >= 0 && segments.allSatisfy { $0 > 0 })
    self.cachedPrefix = cachedPrefix
    self.newPrefix = newPrefix
    self.segments = segments
  }

  /// Rows that this pass computes, T.
  public var rows: Int { newPrefix + segmentRows }
  public var segmentRows: Int { segments.reduce(0, +) }
  public var prefix: Int { cachedPrefix + newPrefix }
  /// Rows of the cache after this pass.
  public var keys: Int { cachedPrefix + rows }

  /// Who sees whom. Span 0 is the new prefix (perhaps empty), span s + 1 the segment s, which is observed.
  var spans: [AttentionSpan] {
    var spans = [AttentionSpan(queries: 0..<newPrefix, sharedKeys: 0, ownKeys: newPrefix == 0 ? 0..<0 : 0..<prefix)]
    var row = newPrefix
    for length in segments {
      let keys = cachedPrefix + row
      spans.append(
        AttentionSpan(
          queries: row..<row + length, sharedKeys: prefix, ownKeys: keys..<keys + length, isObserved: true))
      row += length
    }
    return spans
  }
}

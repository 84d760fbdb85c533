import Kernels

/// The rows of one decoder pass: a prefix that all share, then segments that see the prefix and themselves.
///
/// One sequence is a prefix and no segment, or one segment. Several captions of one image are one prefix (its prompt
/// and visual tokens) and a segment each: the same numbers as separate sequences, for one reading of the weights.
/// Several samples of a training step are segments without a prefix; the beams of a decoding step are segments of one new
/// row each, whose earlier rows lie in the cache.
public struct SequenceLayout: Sendable, Equatable {
  /// Rows of the prefix whose keys and values are in the cache.
  public let cachedPrefix: Int
  /// Rows of the prefix that this pass computes.
  public let newPrefix: Int
  /// Rows of each segment that this pass computes.
  public let segments: [Int]
  /// Where each segment's keys and values lie.
  public let slots: [CacheSlot]
  /// How many of the last rows of each segment (without segments, of the prefix) have an output that matters: the last
  /// layer computes no other. nil where all matter.
  public let outputRowsAtEnd: [Int]?

  /// A pass whose segments have no earlier rows: they follow one another in the cache, behind the prefix.
  public init(cachedPrefix: Int = 0, newPrefix: Int, segments: [Int] = [], outputRowsAtEnd: [Int]? = nil) {
    precondition(cachedPrefix >= 0 && newPrefix >= 0)
    var start = cachedPrefix + newPrefix
    let slots = segments.map { length in
      defer { start += length }
      return CacheSlot(start: start, cachedRows: 0)
    }
    self.init(
      cachedPrefix: cachedPrefix, newPrefix: newPrefix, segments: segments, slots: slots,
      outputRowsAtEnd: outputRowsAtEnd)
  }

  /// A step on: segments that have rows in the cache, behind a prefix that is there too.
  public init(cachedPrefix: Int, segments: [Int], slots: [CacheSlot], outputRowsAtEnd: [Int]? = nil) {
    self.init(
      cachedPrefix: cachedPrefix, newPrefix: 0, segments: segments, slots: slots, outputRowsAtEnd: outputRowsAtEnd)
  }

  private init(cachedPrefix: Int, newPrefix: Int, segments: [Int], slots: [CacheSlot], outputRowsAtEnd: [Int]?) {
    precondition(segments.allSatisfy { $0 > 0 } && slots.count == segments.count)
    let lengths = segments.isEmpty ? [newPrefix] : segments
    precondition(outputRowsAtEnd.map { $0.count == lengths.count && zip($0, lengths).allSatisfy { $0 <= $1 } } ?? true)
    self.cachedPrefix = cachedPrefix
    self.newPrefix = newPrefix
    self.segments = segments
    self.slots = slots
    self.outputRowsAtEnd = outputRowsAtEnd
  }

  /// Rows that this pass computes, T.
  public var rows: Int { newPrefix + segmentRows }
  public var segmentRows: Int { segments.reduce(0, +) }
  public var prefix: Int { cachedPrefix + newPrefix }
  /// Rows of the cache after this pass.
  public var keys: Int {
    zip(segments, slots).reduce(prefix) { max($0, $1.1.start + $1.1.cachedRows + $1.0) }
  }

  /// The row of the cache that each row's key and value go to.
  var cacheRows: [Int] {
    Array(cachedPrefix..<prefix)
      + zip(segments, slots).flatMap { length, slot in
        slot.start + slot.cachedRows..<slot.start + slot.cachedRows + length
      }
  }

  /// Whether the rows go to the cache one behind the other, from the end of the cached prefix on.
  var isContiguous: Bool { cacheRows == Array(cachedPrefix..<cachedPrefix + rows) }

  /// The rows whose output matters, ascending; nil where all do.
  public var outputs: [Int]? {
    guard let outputRowsAtEnd else { return nil }
    var end = segments.isEmpty ? 0 : newPrefix
    return zip(segments.isEmpty ? [newPrefix] : segments, outputRowsAtEnd).flatMap { length, tail in
      end += length
      return end - tail..<end
    }
  }

  /// Who sees whom. Span 0 is the new prefix (perhaps empty), span s + 1 the segment s, which is observed.
  var spans: [AttentionSpan] {
    spans(prefixTail: newPrefix, tails: segments)
  }

  /// The same for the queries of the outputs alone, in their order.
  var outputSpans: [AttentionSpan] {
    guard let outputRowsAtEnd else { return spans }
    return segments.isEmpty
      ? spans(prefixTail: outputRowsAtEnd[0], tails: []) : spans(prefixTail: 0, tails: outputRowsAtEnd)
  }

  private func spans(prefixTail: Int, tails: [Int]) -> [AttentionSpan] {
    var spans = [AttentionSpan(queries: 0..<prefixTail, sharedKeys: 0, ownKeys: prefixTail == 0 ? 0..<0 : 0..<prefix)]
    var row = prefixTail
    for (index, tail) in tails.enumerated() {
      let slot = slots[index]
      spans.append(
        AttentionSpan(
          queries: row..<row + tail, sharedKeys: prefix,
          ownKeys: slot.start..<slot.start + slot.cachedRows + segments[index], isObserved: true))
      row += tail
    }
    return spans
  }
}

/// A segment's rows in the cache.
public struct CacheSlot: Sendable, Equatable {
  /// The first of its rows.
  public let start: Int
  /// How many of them earlier passes have computed.
  public let cachedRows: Int

  public init(start: Int, cachedRows: Int) {
    precondition(start >= 0 && cachedRows >= 0)
    self.start = start
    self.cachedRows = cachedRows
  }
}

import Kernels

/// The rows of one decoder pass: a prefix that all share, then segments that see the prefix and themselves.
///
/// One sequence is a prefix and no segment, or one segment. Several captions of one image are one prefix (its prompt
/// and visual tokens) and a segment each: the same numbers as separate sequences, for one reading of the weights.
/// Several samples of a training step are segments without a prefix; the beams of a decoding step are segments of one
/// new row each, whose earlier rows lie in the cache.
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
  /// layer computes no other. nil if all matter.
  public let outputRowsAtEnd: [Int]?
  /// Rows at the prefix's end that each segment begins with too: the last row of a block that sees itself both ways sees all
  /// keys up to its own, so a segment can compute it again where its output matters.
  public let repeatedRows: Int
  /// Positions of the prefix, and of each segment, that see one another both ways.
  private(set) var prefixBlocks: [Range<Int>] = []
  private(set) var segmentBlocks: [[Range<Int>]] = []

  /// A pass whose segments have no earlier rows: they follow one another in the cache, behind the prefix.
  public init(
    cachedPrefix: Int = 0, newPrefix: Int, segments: [Int] = [], outputRowsAtEnd: [Int]? = nil, repeatedRows: Int = 0
  ) {
    precondition(cachedPrefix >= 0 && newPrefix >= 0)
    var start = cachedPrefix + newPrefix
    let slots = segments.map { length in
      defer { start += length }
      return CacheSlot(start: start, cachedRows: 0)
    }
    self.init(
      cachedPrefix: cachedPrefix, newPrefix: newPrefix, segments: segments, slots: slots,
      outputRowsAtEnd: outputRowsAtEnd, repeatedRows: repeatedRows)
  }

  /// A step on: segments that have rows in the cache, behind a prefix that is there too.
  public init(cachedPrefix: Int, segments: [Int], slots: [CacheSlot], outputRowsAtEnd: [Int]? = nil) {
    self.init(
      cachedPrefix: cachedPrefix, newPrefix: 0, segments: segments, slots: slots, outputRowsAtEnd: outputRowsAtEnd,
      repeatedRows: 0)
  }

  private init(
    cachedPrefix: Int, newPrefix: Int, segments: [Int], slots: [CacheSlot], outputRowsAtEnd: [Int]?, repeatedRows: Int
  ) {
    precondition((0...cachedPrefix + newPrefix).contains(repeatedRows))
    precondition(segments.allSatisfy { $0 > 0 } && slots.count == segments.count)
    let lengths = segments.isEmpty ? [newPrefix] : segments
    precondition(outputRowsAtEnd.map { $0.count == lengths.count && zip($0, lengths).allSatisfy { $0 <= $1 } } ?? true)
    self.cachedPrefix = cachedPrefix
    self.newPrefix = newPrefix
    self.segments = segments
    self.slots = slots
    self.outputRowsAtEnd = outputRowsAtEnd
    self.repeatedRows = repeatedRows
  }

  /// Rows that this pass computes, T.
  public var rows: Int { newPrefix + segmentRows }
  public var segmentRows: Int { segments.reduce(0, +) }
  public var prefix: Int { cachedPrefix + newPrefix }
  /// The position of each segment's first row.
  public var segmentStart: Int { prefix - repeatedRows }
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

  /// The position of each row in its sequence.
  var positions: [Int] {
    Array(cachedPrefix..<prefix)
      + zip(segments, slots).flatMap { length, slot in
        segmentStart + slot.cachedRows..<segmentStart + slot.cachedRows + length
      }
  }

  /// Whether the rows go to the cache one behind the other, from the end of the cached prefix on.
  var isContiguous: Bool { cacheRows == Array(cachedPrefix..<cachedPrefix + rows) }

  /// The rows whose output matters, ascending; nil if all do.
  public var outputs: [Int]? {
    guard let outputRowsAtEnd else { return nil }
    var end = segments.isEmpty ? 0 : newPrefix
    return zip(segments.isEmpty ? [newPrefix] : segments, outputRowsAtEnd).flatMap { length, tail in
      end += length
      return end - tail..<end
    }
  }

  /// The same pass, where some consecutive positions see one another both ways: an image, or a whole prompt.
  ///
  /// A position counts from its sequence's start, the prefix's rows included. No block may reach from what earlier
  /// passes have computed, or from the prefix, into what follows.
  ///
  /// - Parameters:
  ///   - prefix: the blocks of the prefix, ascending.
  ///   - segments: those of each segment, ascending.
  public func withBlocks(prefix: [Range<Int>], segments: [[Range<Int>]]) -> SequenceLayout {
    precondition(segments.count == self.segments.count)
    precondition(prefix.allSatisfy { $0.upperBound <= cachedPrefix || inside(cachedPrefix..<self.prefix, $0) })
    for (index, blocks) in segments.enumerated() {
      let first = segmentStart + slots[index].cachedRows
      precondition(blocks.allSatisfy { $0.upperBound <= first || inside(first..<first + self.segments[index], $0) })
    }
    var layout = self
    (layout.prefixBlocks, layout.segmentBlocks) = (prefix, segments)
    return layout
  }

  private func inside(_ outer: Range<Int>, _ inner: Range<Int>) -> Bool {
    outer.lowerBound <= inner.lowerBound && inner.upperBound <= outer.upperBound
  }

  /// Who sees whom: of the new prefix (perhaps no rows), then of each segment, which is observed.
  func spans(for attention: Attention) -> [AttentionSpan] {
    spans(prefixTail: newPrefix, tails: segments, attention)
  }

  /// The same for the queries of the outputs alone, in their order.
  func outputSpans(for attention: Attention) -> [AttentionSpan] {
    guard let outputRowsAtEnd else { return spans(for: attention) }
    return segments.isEmpty
      ? spans(prefixTail: outputRowsAtEnd[0], tails: [], attention)
      : spans(prefixTail: 0, tails: outputRowsAtEnd, attention)
  }

  private func spans(prefixTail: Int, tails: [Int], _ attention: Attention) -> [AttentionSpan] {
    var spans = Part(
      rows: 0..<prefixTail, firstPosition: prefix - prefixTail, sharedKeys: 0,
      ownKeys: prefixTail == 0 ? 0..<0 : 0..<prefix, blocks: prefixBlocks, isObserved: false
    ).spans(for: attention)
    var row = prefixTail
    for (index, tail) in tails.enumerated() {
      let slot = slots[index]
      let rows = slot.cachedRows + segments[index]
      spans += Part(
        rows: row..<row + tail, firstPosition: segmentStart + rows - tail, sharedKeys: segmentStart,
        ownKeys: slot.start..<slot.start + rows, blocks: segmentBlocks.isEmpty ? [] : segmentBlocks[index],
        isObserved: true
      ).spans(for: attention)
      row += tail
    }
    return spans
  }

  /// Consecutive queries of the prefix or of a segment.
  private struct Part {
    let rows: Range<Int>
    /// Of the first query, in its sequence.
    let firstPosition: Int
    let sharedKeys: Int
    /// Up to that of the last query.
    let ownKeys: Range<Int>
    let blocks: [Range<Int>]
    let isObserved: Bool

    /// One causal span, or where blocks see themselves both ways, several: up to a block, the block, and so on.
    func spans(for attention: Attention) -> [AttentionSpan] {
      let end = firstPosition + rows.count
      var spans: [AttentionSpan] = []
      var place = firstPosition
      for block in blocks where block.upperBound > firstPosition && block.lowerBound < end {
        if place < block.lowerBound { spans.append(span(place..<block.lowerBound, isCausal: true, attention)) }
        place = max(place, block.lowerBound)
        spans.append(span(place..<block.upperBound, isCausal: false, attention))
        place = block.upperBound
      }
      if place < end || spans.isEmpty { spans.append(span(place..<end, isCausal: true, attention)) }
      return spans
    }

    private func span(_ positions: Range<Int>, isCausal: Bool, _ attention: Attention) -> AttentionSpan {
      let end = firstPosition + rows.count
      let first = rows.lowerBound + positions.lowerBound - firstPosition
      let own = ownKeys.lowerBound..<ownKeys.upperBound - (end - positions.upperBound)
      // A window that holds all keys changes nothing.
      let window = attention.window.flatMap { keys in
        keys < sharedKeys + own.count && (isCausal || attention.windowHoldsBothWays) ? keys : nil
      }
      return AttentionSpan(
        queries: first..<first + positions.count, sharedKeys: sharedKeys, ownKeys: own, isCausal: isCausal,
        window: window, isObserved: isObserved)
    }
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

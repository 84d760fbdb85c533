import Kernels

/// The rows of one decoder pass: a prefix, then segments that see themselves and a prefix.
///
/// One sequence is a prefix and no segment, or one segment. Several captions of one image are one prefix (its prompt
/// and visual tokens) and a segment each: the same numbers as separate sequences, for one reading of the weights.
/// Several samples of a training step are segments without a prefix. The hypotheses of a decoding step are segments of one
/// new row each, whose earlier rows lie in the cache; those about other images have a prefix of their own there.
public struct SequenceLayout: Sendable, Equatable {
  /// The first row of the cache that the prefix's keys and values take.
  public let prefixStart: Int
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

  /// - Parameter slots: nil for segments without earlier rows that follow one another in the cache, behind the prefix.
  public init(
    prefixStart: Int = 0, cachedPrefix: Int = 0, newPrefix: Int = 0, segments: [Int] = [], slots: [CacheSlot]? = nil,
    outputRowsAtEnd: [Int]? = nil, repeatedRows: Int = 0
  ) {
    precondition(prefixStart >= 0 && cachedPrefix >= 0 && newPrefix >= 0)
    precondition((0...cachedPrefix + newPrefix).contains(repeatedRows))
    var start = prefixStart + cachedPrefix + newPrefix
    self.slots =
      slots
      ?? segments.map { length in
        defer { start += length }
        return CacheSlot(start: start, cachedRows: 0)
      }
    precondition(segments.allSatisfy { $0 > 0 } && self.slots.count == segments.count)
    let lengths = segments.isEmpty ? [newPrefix] : segments
    precondition(outputRowsAtEnd.map { $0.count == lengths.count && zip($0, lengths).allSatisfy { $0 <= $1 } } ?? true)
    self.prefixStart = prefixStart
    self.cachedPrefix = cachedPrefix
    self.newPrefix = newPrefix
    self.segments = segments
    self.outputRowsAtEnd = outputRowsAtEnd
    self.repeatedRows = repeatedRows
  }

  /// Rows that this pass computes, T.
  public var rows: Int { newPrefix + segmentRows }
  public var segmentRows: Int { segments.reduce(0, +) }
  public var prefix: Int { cachedPrefix + newPrefix }
  /// The position of the first row of each segment behind this layout's prefix.
  public var segmentStart: Int { prefix - repeatedRows }
  /// Rows of the cache after this pass.
  public var keys: Int {
    zip(segments, slots).reduce(prefixStart + prefix) { most, segment in
      max(most, segment.1.start + segment.1.cachedRows + segment.0, segment.1.prefix?.upperBound ?? 0)
    }
  }

  /// The rows of the cache that hold what comes before a segment's own rows.
  func prefix(of segment: Int) -> Range<Int> {
    slots[segment].prefix ?? prefixStart..<prefixStart + segmentStart
  }

  /// The positions of the rows that this pass computes of a segment.
  public func positions(of segment: Int) -> Range<Int> {
    let first = prefix(of: segment).count + slots[segment].cachedRows
    return first..<first + segments[segment]
  }

  /// The row of the cache that each row's key and value go to.
  var cacheRows: [Int] {
    Array(prefixStart + cachedPrefix..<prefixStart + prefix)
      + zip(segments, slots).flatMap { length, slot in
        slot.start + slot.cachedRows..<slot.start + slot.cachedRows + length
      }
  }

  /// The position of each row in its sequence.
  var positions: [Int] {
    Array(cachedPrefix..<prefix) + segments.indices.flatMap { positions(of: $0) }
  }

  /// The rows of the cache that keys and values go to, if they go there one behind the other.
  var contiguousRows: Range<Int>? {
    let all = cacheRows
    let first = all.first ?? prefixStart + cachedPrefix
    return zip(all, first...).allSatisfy { $0 == $1 } ? first..<first + all.count : nil
  }

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
      let own = positions(of: index)
      precondition(blocks.allSatisfy { $0.upperBound <= own.lowerBound || inside(own, $0) })
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
      rows: 0..<prefixTail, firstPosition: prefix - prefixTail, sharedKeys: 0..<0,
      ownKeys: prefixTail == 0 ? 0..<0 : prefixStart..<prefixStart + prefix, blocks: prefixBlocks, isObserved: false
    ).spans(for: attention)
    var row = prefixTail
    for (index, tail) in tails.enumerated() {
      let slot = slots[index]
      let rows = slot.cachedRows + segments[index]
      spans += Part(
        rows: row..<row + tail, firstPosition: positions(of: index).upperBound - tail, sharedKeys: prefix(of: index),
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
    let sharedKeys: Range<Int>
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
        keys < sharedKeys.count + own.count && (isCausal || attention.windowHoldsBothWays) ? keys : nil
      }
      return AttentionSpan(
        queries: first..<first + positions.count, sharedKeys: sharedKeys, ownKeys: own, isCausal: isCausal,
        window: window, isObserved: isObserved)
    }
  }
}

/// A segment's rows in the cache.
public struct CacheSlot: Sendable, Equatable {
  /// The rows that hold what comes before the segment's own, which others may share; nil for the layout's prefix.
  public let prefix: Range<Int>?
  /// The first of its own rows.
  public let start: Int
  /// How many of them earlier passes have computed.
  public let cachedRows: Int

  public init(behind prefix: Range<Int>? = nil, start: Int, cachedRows: Int) {
    precondition(start >= 0 && cachedRows >= 0 && (prefix?.lowerBound ?? 0) >= 0)
    self.prefix = prefix
    self.start = start
    self.cachedRows = cachedRows
  }
}

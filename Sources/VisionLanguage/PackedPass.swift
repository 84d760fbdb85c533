import Kernels
import Transformer

/// The rows of one decoder pass over several sequences, as the decoder takes them.
public struct PackedPass {
  /// The residual stream's first values. - Shape: [layout.rows, C]
  public let hidden: Tensor
  /// With the blocks of its sequences that see themselves both ways.
  public let layout: SequenceLayout
  /// Of the same rows.
  public let angles: [RotaryAngles]
  public let additions: [StreamAddition]
}

/// The last tokens of sequences whose other rows are in the cache, whatever images they are about: one row each.
public struct NextTokens {
  public private(set) var ids: [Int32] = []
  public private(set) var angles: [RotaryAngles] = []

  public init() {}

  /// - Parameter angles: of one row.
  public mutating func append(_ id: Int32, angles row: [RotaryAngles]) {
    precondition(row.allSatisfy { $0.rows == 1 })
    ids.append(id)
    if angles.isEmpty { angles = row } else { angles.append(row) }
  }
}

extension VisionLanguageModel {
  /// One pass over several sequences that begin with the same rows, and over the next tokens of any others.
  ///
  /// - Parameters:
  ///   - sequences: one a segment of the layout, up to those of `next`; all begin with its prefix.
  ///   - angles: of each sequence, where they are known; else they are worked out.
  ///   - visual: of the image that all `sequences` are about; nil where there are none.
  ///   - next: one a segment, the layout's last ones.
  ///   - hidden: holds the pass's stream.
  public func pack(
    _ sequences: [TokenSequence], layout: SequenceLayout, angles known: [[RotaryAngles]]? = nil,
    visual: VisualFeatures?, next: NextTokens = NextTokens(), into hidden: ScratchTensor
  ) -> PackedPass {
    precondition(sequences.isEmpty || visual != nil)
    precondition(layout.segments.isEmpty || layout.segments.count == sequences.count + next.ids.count)
    let stream = hidden.reserving(rows: layout.rows, columns: decoder.hiddenSize, on: backend)
    let tables = known ?? sequences.map(angles)
    var pieces = sequences.isEmpty ? [] : [(index: 0, positions: layout.cachedPrefix..<layout.prefix)]
    pieces += layout.segments.indices.prefix(sequences.count).map { ($0, layout.positions(of: $0)) }
    var (rotary, row): ([RotaryAngles], Int) = ([], 0)
    for (index, positions) in pieces {
      if let visual {
        embed(sequences[index], rows: positions, visual: visual, into: stream.rows(row..<row + positions.count))
      }
      let own = tables[index].rows(positions)
      if rotary.isEmpty { rotary = own } else { rotary.append(own) }
      row += positions.count
    }
    tokenEmbedding.embed(next.ids, into: stream.rows(row..<row + next.ids.count))
    if rotary.isEmpty { rotary = next.angles } else if !next.ids.isEmpty { rotary.append(next.angles) }
    return PackedPass(
      hidden: stream, layout: withBlocks(layout, of: sequences), angles: rotary,
      additions: additions(to: sequences, layout: layout, visual: visual))
  }

  /// The layout with the blocks of its sequences that see themselves both ways: one a segment, but for its last ones, whose
  /// rows stand behind all blocks.
  public func withBlocks(_ layout: SequenceLayout, of sequences: [TokenSequence]) -> SequenceLayout {
    let blocks = sequences.map(bidirectionalBlocks)
    guard blocks.contains(where: { !$0.isEmpty }) else { return layout }
    precondition(
      blocks.allSatisfy { $0.allSatisfy { $0.upperBound <= layout.prefix || $0.lowerBound >= layout.prefix } },
      "a block begins in the prefix and ends behind it")
    return layout.withBlocks(
      prefix: blocks[0].filter { $0.upperBound <= layout.prefix },
      segments: layout.segments.indices.map { index in
        // The next tokens of other sequences stand behind all blocks.
        guard index < blocks.count else { return [] }
        // A repeated row still sees all of its block, whatever a window hides from causal rows.
        return blocks[index].map { $0.clamped(to: layout.segmentStart..<Int.max) }.filter { !$0.isEmpty }
      })
  }

  /// What the image adds to the stream behind layers: to the prefix's rows, and to each segment's own.
  private func additions(
    to sequences: [TokenSequence], layout: SequenceLayout, visual: VisualFeatures?
  ) -> [StreamAddition] {
    (visual?.additions ?? []).flatMap { addition in
      var all = [
        StreamAddition(
          afterLayer: addition.afterLayer, positions: sequences[0].image.positions, values: addition.values)
      ]
      for segment in layout.segments.indices.prefix(sequences.count)
      where sequences[segment].image.end > layout.segmentStart {
        all.append(
          StreamAddition(
            afterLayer: addition.afterLayer, segment: segment, positions: sequences[segment].image.positions,
            values: addition.values))
      }
      return all
    }
  }

  /// How many rows all sequences have in common, up to the first row that matters in one of them. No block that sees itself
  /// both ways begins in them and ends behind them: its rows depend on all of it.
  ///
  /// - Parameter first: a sequence's first row that matters.
  public func sharedPrefix(of sequences: [TokenSequence], before first: (TokenSequence) -> Int) -> Int {
    var shared = sequences.reduce(Int.max) { shared, sequence in
      min(shared, first(sequence), zip(sequence.ids, sequences[0].ids).prefix { $0 == $1 }.count)
    }
    let blocks = sequences.flatMap(bidirectionalBlocks)
    while let cut = blocks.first(where: { $0.lowerBound < shared && shared < $0.upperBound }) {
      shared = cut.lowerBound
    }
    return shared
  }

  /// The same, where the last row of a block that all sequences begin with matters itself: the block is shared, and its last
  /// row computed again for each sequence.
  ///
  /// - Parameter first: a sequence's first row that matters.
  public func sharedRows(of sequences: [TokenSequence], before first: (TokenSequence) -> Int) -> SharedRows {
    if let sequence = sequences.first {
      let start = first(sequence)
      let block = bidirectionalBlocks(sequence).first { $0.upperBound == start + 1 }
      let isShared = sequences.allSatisfy { other in
        first(other) == start && block.map(bidirectionalBlocks(other).contains) == true
          && other.ids.prefix(start + 1) == sequence.ids.prefix(start + 1)
      }
      if isShared { return SharedRows(prefix: start + 1, repeated: 1) }
    }
    return SharedRows(prefix: sharedPrefix(of: sequences, before: first), repeated: 0)
  }
}

/// What sequences begin with in common.
public struct SharedRows: Sendable, Equatable {
  /// Rows that are computed once.
  public let prefix: Int
  /// The last of them, which each sequence begins with again.
  public let repeated: Int

  /// Rows before those that each sequence computes for itself.
  public var start: Int { prefix - repeated }
}

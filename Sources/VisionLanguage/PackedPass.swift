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

extension VisionLanguageModel {
  /// One pass over several sequences that begin with the same rows.
  ///
  /// - Parameters:
  ///   - sequences: one a segment of the layout; all begin with its prefix.
  ///   - angles: of each sequence, where they are known; else they are worked out.
  ///   - visual: of the image that all are about.
  ///   - hidden: holds the pass's stream.
  public func pack(
    _ sequences: [TokenSequence], layout: SequenceLayout, angles known: [[RotaryAngles]]? = nil,
    visual: VisualFeatures, into hidden: ScratchTensor
  ) -> PackedPass {
    let prefix = layout.prefix
    let stream = hidden.reserving(rows: layout.rows, columns: decoder.hiddenSize, on: backend)
    let tables = known ?? sequences.map(angles)
    var pieces = [(index: 0, positions: layout.cachedPrefix..<prefix)]
    for (index, (length, slot)) in zip(layout.segments, layout.slots).enumerated() {
      let first = prefix + slot.cachedRows
      pieces.append((index, first..<first + length))
    }
    var (rotary, row): ([RotaryAngles], Int) = ([], 0)
    for (index, positions) in pieces {
      embed(sequences[index], rows: positions, visual: visual, into: stream.rows(row..<row + positions.count))
      let own = tables[index].rows(positions)
      if rotary.isEmpty { rotary = own } else { rotary.append(own) }
      row += positions.count
    }
    return PackedPass(
      hidden: stream, layout: withBlocks(layout, of: sequences), angles: rotary,
      additions: additions(to: sequences, layout: layout, visual: visual))
  }

  /// The layout with the blocks of its sequences that see themselves both ways.
  public func withBlocks(_ layout: SequenceLayout, of sequences: [TokenSequence]) -> SequenceLayout {
    let blocks = sequences.map(bidirectionalBlocks)
    guard blocks.contains(where: { !$0.isEmpty }) else { return layout }
    return layout.withBlocks(
      prefix: blocks[0].filter { $0.upperBound <= layout.prefix },
      segments: layout.segments.indices.map { index in blocks[index].filter { $0.lowerBound >= layout.prefix } })
  }

  /// What the image adds to the stream behind layers: to the prefix's rows, and to each segment's own.
  private func additions(
    to sequences: [TokenSequence], layout: SequenceLayout, visual: VisualFeatures
  ) -> [StreamAddition] {
    visual.additions.flatMap { addition in
      var all = [
        StreamAddition(
          afterLayer: addition.afterLayer, positions: sequences[0].image.positions, values: addition.values)
      ]
      for segment in layout.segments.indices where sequences[segment].image.end > layout.prefix {
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
}

import HeadImpact
import ImageInput
import Kernels
import Transformer

/// Reads AS, the attention scores that Head Impact is made of: for every layer and head the attention from a
/// description's tokens to the visual tokens, averaged over the description (docs/measures.md).
public final class AttentionScoreReader {
  private let model: any VisionLanguageModel
  private let cache = KeyValueCache()
  private var hidden = AlignedBuffer<Float>()

  /// Rows of captions that one pass takes beside the shared prefix.
  private let captionRows: Int
  /// Scores held at a time, in numbers.
  private let heldScores: Int

  public convenience init(_ model: any VisionLanguageModel) {
    // 2^26 scores are 256 MB.
    self.init(model, captionRows: 512, heldScores: 1 << 26)
  }

  init(_ model: any VisionLanguageModel, captionRows: Int, heldScores: Int) {
    self.model = model
    self.captionRows = captionRows
    self.heldScores = heldScores
  }

  /// One forward pass over the image and its prompt, and every description on top of it: the vision pass and the
  /// prompt's keys and values are shared, and the weights are read once.
  ///
  /// - Parameters:
  ///   - sequences: one a description of the same image and prompt.
  ///   - afterLayer: called after each layer of the vision tower and the decoder; a thrown error ends the pass.
  ///   - body: shown each description's index and AS, in order.
  ///     - Shape: scores [L · H, V], valid during the call.
  /// - Throws: `OneDNNError`, an image error, and what the closures throw.
  public func read(
    image: RGBImage, sequences: [TokenSequence], query: HeadImpactOptions.Query, normalize: HeadImpactOptions.Normalize,
    afterLayer: @escaping () throws -> Void = {},
    _ body: (_ index: Int, _ scores: UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    guard let first = sequences.first else { return }
    let polling = Taps(hiddenState: { _, _ in try afterLayer() })
    let visual = try model.encode(image, taps: polling)
    let prefix = sequences.sharedPrefix { $0.queryRows(query).first ?? $0.ids.count }
    precondition(prefix >= first.visual.upperBound, "a description stands before the image")

    var cached = 0
    for group in groups(of: sequences, prefix: prefix, query: query) {
      let layout = SequenceLayout(
        cachedPrefix: cached, newPrefix: prefix - cached, segments: group.map { sequences[$0].end(query) - prefix })
      if cached == 0 {
        let largest = sequences.map { $0.end(query) - prefix }.max() ?? 0
        model.decoder.reserve(cache, rows: prefix + max(layout.segmentRows, captionRows, largest))
      }
      let scores = try run(
        layout, group.map { sequences[$0] }, visual: visual, query: query, normalize: normalize,
        afterLayer: afterLayer)
      let size = scores.count / group.count
      try scores.withUnsafeBufferPointer { scores in
        for (place, index) in group.enumerated() {
          try body(index, UnsafeBufferPointer(rebasing: scores[place * size..<(place + 1) * size]))
        }
      }
      cached = prefix
    }
  }

  /// The same of one description, its rows kept apart.
  ///
  /// - Returns: the attention of each of `sequence.queryRows` on the visual tokens, whose mean over the rows is AS.
  ///   - Shape: [rows, L · H, V].
  /// - Throws: `OneDNNError`, or an image error.
  public func readRows(
    image: RGBImage, sequence: TokenSequence, query: HeadImpactOptions.Query, normalize: HeadImpactOptions.Normalize
  ) throws -> [Float] {
    let visual = try model.encode(image, taps: Taps())
    let rows = sequence.queryRows(query)
    let prefix = rows.first ?? sequence.ids.count
    let layout = SequenceLayout(newPrefix: prefix, segments: [sequence.end(query) - prefix])
    model.decoder.reserve(cache, rows: layout.rows)
    return try run(
      layout, [sequence], visual: visual, query: query, normalize: normalize, keepsRowsApart: true, afterLayer: {})
  }

  /// Consecutive descriptions whose rows and scores fit one pass.
  private func groups(of sequences: [TokenSequence], prefix: Int, query: HeadImpactOptions.Query) -> [[Int]] {
    let held = max(
      1, heldScores / (model.decoder.layers.count * model.numAttentionHeads * sequences[0].visual.count))
    var groups: [[Int]] = []
    var rows = 0
    for (index, sequence) in sequences.enumerated() {
      let more = sequence.end(query) - prefix
      if let last = groups.last, rows + more <= captionRows, last.count < held {
        groups[groups.count - 1].append(index)
        rows += more
      } else {
        groups.append([index])
        rows = more
      }
    }
    return groups
  }

  /// - Returns: scores [blocks, L, H, V]; a block is a description, or a row where they are kept apart.
  private func run(
    _ layout: SequenceLayout, _ sequences: [TokenSequence], visual: VisualFeatures, query: HeadImpactOptions.Query,
    normalize: HeadImpactOptions.Normalize, keepsRowsApart: Bool = false, afterLayer: @escaping () throws -> Void
  ) throws -> [Float] {
    hidden.reserve(layout.rows * model.decoder.hiddenSize)
    let prefix = layout.prefix
    let angles = model.embed(sequences, layout: layout, visual: visual, into: hidden.base)
    let heads = model.numAttentionHeads
    let layers = model.decoder.layers.count
    let columns = sequences[0].visual
    let segmentStarts = layout.segments.reduce(into: [layout.newPrefix]) { $0.append($0[$0.count - 1] + $1) }
    let queryRows = sequences.map { $0.queryRows(query) }
    let firstBlocks = queryRows.reduce(into: [0]) { $0.append($0[$0.count - 1] + (keepsRowsApart ? $1.count : 1)) }
    // Of each segment, by row.
    let blocks = zip(queryRows, firstBlocks).map { rows, first in
      Dictionary(uniqueKeysWithValues: rows.enumerated().map { ($1, keepsRowsApart ? first + $0 : first) })
    }
    var scores = [Float](
      repeating: 0, count: firstBlocks[sequences.count] * layers * heads * columns.count)
    try scores.withUnsafeMutableBufferPointer { scores in
      guard let base = scores.baseAddress else { return }
      let taps = Taps(
        hiddenState: { _, _ in try afterLayer() },
        attentionWeights: { layer, span, head, row, weights in
          let segment = span - 1
          guard let block = blocks[segment][prefix + row - segmentStarts[segment]] else { return }
          // One head of one description: nobody else writes here, and its rows come in order.
          let target = base + ((block * layers + layer) * heads + head) * columns.count
          let scale = normalize.scale(of: weights[columns]) / Float(keepsRowsApart ? 1 : queryRows[segment].count)
          for (index, weight) in weights[columns].enumerated() { target[index] += weight * scale }
        })
      try model.decoder.forward(
        hidden.base, layout: layout, angles: angles, cache: cache, taps: taps, stopsAtLastWeights: true)
    }
    return scores
  }
}

extension TokenSequence {
  /// The rows whose attention is read: those of the description's tokens, or those that predict them.
  public func queryRows(_ query: HeadImpactOptions.Query) -> [Int] {
    query == .token ? caption : caption.map { $0 - 1 }
  }

  /// One past the last row that matters.
  fileprivate func end(_ query: HeadImpactOptions.Query) -> Int { (queryRows(query).last ?? ids.count - 1) + 1 }
}

extension HeadImpactOptions.Normalize {
  fileprivate func scale(of weights: Slice<UnsafeBufferPointer<Float>>) -> Float {
    guard self == .visual else { return 1 }
    let total = weights.reduce(0, +)
    return total > 0 ? 1 / total : 0
  }
}

import HeadImpact
import ImageInput
import Kernels
import Transformer

/// Reads AS, the attention scores that Head Impact is made of: for every layer and head the attention from a
/// description's tokens to the visual tokens, averaged over the description (docs/measures.md).
public final class AttentionScoreReader {
  private let model: any VisionLanguageModel
  private let cache: KeyValueCache
  private let hidden = ScratchTensor()
  private let sums = ScratchTensor()

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
    cache = KeyValueCache(on: model.backend)
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
  /// - Throws: an image error, and what the closures throw.
  public func read(
    image: some ImageForModel, sequences: [TokenSequence], query: HeadImpactOptions.Query,
    normalize: HeadImpactOptions.Normalize,
    afterLayer: @escaping () throws -> Void = {},
    _ body: (_ index: Int, _ scores: Span<Float>) throws -> Void
  ) throws {
    guard !sequences.isEmpty else { return }
    let polling = Taps(afterLayer: { _, _ in try afterLayer() })
    let visual = try model.encode(image, taps: polling)
    let shared = model.sharedRows(of: sequences) { $0.queryRows(query).first ?? $0.ids.count }
    let (prefix, start) = (shared.prefix, shared.start)
    var cached = 0
    for group in groups(of: sequences, start: start, query: query) {
      let layout = SequenceLayout(
        cachedPrefix: cached, newPrefix: prefix - cached, segments: group.map { sequences[$0].end(query) - start },
        repeatedRows: shared.repeated)
      if cached == 0 {
        let largest = sequences.map { $0.end(query) - start }.max() ?? 0
        model.decoder.reserve(cache, rows: prefix + max(layout.segmentRows, captionRows, largest))
      }
      let scores = try run(
        layout, group.map { sequences[$0] }, visual: visual, query: query, normalize: normalize,
        afterLayer: afterLayer)
      let size = scores.count / group.count
      try model.backend.withFloats(of: scores) { scores in
        for (place, index) in group.enumerated() {
          try body(index, scores.span.extracting(place * size..<(place + 1) * size))
        }
      }
      cached = prefix
    }
  }

  /// The same of one description, its rows kept apart.
  ///
  /// - Returns: the attention of each of `sequence.queryRows` on the visual tokens, whose mean over the rows is AS.
  ///   - Shape: [rows, L · H, V].
  /// - Throws: an image error.
  public func readRows(
    image: some ImageForModel, sequence: TokenSequence, query: HeadImpactOptions.Query,
    normalize: HeadImpactOptions.Normalize
  ) throws -> [Float] {
    let visual = try model.encode(image, taps: Taps())
    let shared = model.sharedRows(of: [sequence]) { $0.queryRows(query).first ?? $0.ids.count }
    let layout = SequenceLayout(
      newPrefix: shared.prefix, segments: [sequence.end(query) - shared.start], repeatedRows: shared.repeated)
    model.decoder.reserve(cache, rows: layout.rows)
    return model.backend.read(
      try run(
        layout, [sequence], visual: visual, query: query, normalize: normalize, keepsRowsApart: true, afterLayer: {}))
  }

  /// Consecutive descriptions whose rows and scores fit one pass.
  private func groups(of sequences: [TokenSequence], start: Int, query: HeadImpactOptions.Query) -> [[Int]] {
    let held = max(
      1, heldScores / (model.decoder.layers.count * model.numAttentionHeads * sequences[0].visual.count))
    var groups: [[Int]] = []
    var rows = 0
    for (index, sequence) in sequences.enumerated() {
      let more = sequence.end(query) - start
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

  /// - Returns: scores [blocks · L · H, V], valid until the next pass; a block is a description, or a row where they are kept
  ///   apart.
  private func run(
    _ layout: SequenceLayout, _ sequences: [TokenSequence], visual: VisualFeatures, query: HeadImpactOptions.Query,
    normalize: HeadImpactOptions.Normalize, keepsRowsApart: Bool = false, afterLayer: @escaping () throws -> Void
  ) throws -> Tensor {
    let (heads, layers) = (model.numAttentionHeads, model.decoder.layers.count)
    let queryRows = sequences.map { $0.queryRows(query) }
    // Each row of the pass that is read, the block that it is added to, and how many rows that block is the mean of.
    var read: [(query: Int, block: Int, divisor: Float)] = []
    var (blocks, start) = (0, layout.newPrefix)
    for (rows, length) in zip(queryRows, layout.segments) {
      for (index, row) in rows.enumerated() {
        read.append(
          (
            start + row - layout.segmentStart, blocks + (keepsRowsApart ? index : 0),
            keepsRowsApart ? 1 : Float(rows.count)
          ))
      }
      blocks += keepsRowsApart ? rows.count : 1
      start += length
    }
    let columns = sequences[0].visual
    let scores = sums.reserving(rows: blocks * layers * heads, columns: columns.count, on: model.backend)
    model.backend.zero(scores)
    let taps = Taps(
      afterLayer: { _, _ in try afterLayer() },
      attentionSums: { layer in
        AttentionSums(
          sums: scores, keys: columns.ranges, normalises: normalize == .visual,
          rows: read.map {
            AttentionSums.Row(query: $0.query, row: ($0.block * layers + layer) * heads, divisor: $0.divisor)
          })
      })
    let pass = model.pack(sequences, layout: layout, visual: visual, into: hidden)
    try model.decoder.forward(
      pass.hidden, layout: pass.layout, angles: pass.angles, cache: cache, additions: pass.additions, taps: taps,
      stopsAtLastWeights: true)
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

import ImageInput
import Kernels
import Transformer

/// The losses of an image's descriptions, as training defines them (docs/training.md), of the unmodified model and
/// without some of its heads.
public final class DescriptionLossReader {
  private let model: any VisionLanguageModel
  private let cache: KeyValueCache
  /// Of the unmodified model, as far as it has been run.
  private let hidden = ScratchTensor()
  /// Of the model without some heads.
  private let ablated = ScratchTensor()

  /// Rows of descriptions that one pass takes beside the shared prefix.
  private let descriptionRows: Int

  public convenience init(_ model: any VisionLanguageModel) { self.init(model, descriptionRows: 512) }

  init(_ model: any VisionLanguageModel, descriptionRows: Int) {
    self.model = model
    cache = KeyValueCache(on: model.backend)
    self.descriptionRows = descriptionRows
  }

  /// The vision pass is done once; so is, for each ablation, what lies below its lowest layer.
  ///
  /// - Parameters:
  ///   - visual: of the image, if it has been encoded.
  ///   - sequences: one a description of the same image; what they begin with in common is computed once.
  ///   - afterLayer: called after each layer; a thrown error ends the pass.
  /// - Returns: the sum of each description's token losses: of the unmodified model, then of each ablation.
  ///   - Shape: [1 + ablations.count] of [sequences.count].
  /// - Throws: an image error, and what `afterLayer` throws.
  public func read(
    image: some ImageForModel, encoded visual: VisualFeatures? = nil, sequences: [TokenSequence],
    ablations: [AblatedHeads], afterLayer: @escaping () throws -> Void = {}
  ) throws -> [[Double]] {
    var losses = [[Double]](repeating: [], count: 1 + ablations.count)
    guard !sequences.isEmpty else { return losses }
    let taps = Taps(afterLayer: { _, _ in try afterLayer() })
    let visual = try visual ?? model.encode(image, taps: taps)
    let shared = model.sharedRows(of: sequences) { $0.predictingRows.lowerBound }
    for group in groups(of: sequences, start: shared.start) {
      let ablations = ablations.map { $0.inPass(over: group) }
      for (index, some) in try read(group, shared: shared, visual: visual, ablations: ablations, taps: taps)
        .enumerated()
      {
        losses[index] += some
      }
    }
    return losses
  }

  /// Consecutive descriptions whose rows fit one pass, and whose image tokens have the same positions.
  private func groups(of sequences: [TokenSequence], start: Int) -> [[TokenSequence]] {
    var groups: [[TokenSequence]] = []
    var rows = 0
    for sequence in sequences {
      let more = sequence.predictingRows.upperBound - start
      if groups.last?.last?.hasSameImage(as: sequence) != true || rows + more > descriptionRows {
        groups.append([])
        rows = 0
      }
      groups[groups.count - 1].append(sequence)
      rows += more
    }
    return groups
  }

  private func read(
    _ sequences: [TokenSequence], shared: SharedRows, visual: VisualFeatures, ablations: [AblatedHeads], taps: Taps
  ) throws -> [[Double]] {
    let decoder = model.decoder
    let layout = SequenceLayout(
      newPrefix: shared.prefix, segments: sequences.map { $0.predictingRows.upperBound - shared.start },
      outputRowsAtEnd: sequences.map(\.predictingRows.count), repeatedRows: shared.repeated)
    decoder.reserve(cache, rows: layout.keys)
    let pass = model.pack(sequences, layout: layout, visual: visual, into: hidden)
    func run(_ stream: Tensor, _ layers: Range<Int>) throws {
      try decoder.forward(
        stream, layout: pass.layout, angles: pass.angles, cache: cache, layers: layers, additions: pass.additions,
        taps: taps)
    }

    let whole = pass.hidden
    let without = ablated.reserving(rows: whole.rows, columns: whole.columns, on: model.backend)
    let layers = decoder.layers.count
    var losses = [[Double]](repeating: [], count: 1 + ablations.count)
    var reached = 0
    defer { decoder.ablatedHeads = .none }
    // From below, so that the unmodified model continues from where the last ablation left it.
    for (index, heads) in ablations.enumerated().sorted(by: { ($0.1.start, $0.0) < ($1.1.start, $1.0) }) {
      let start = heads.start
      precondition(start < layers)
      decoder.ablatedHeads = .none
      try run(whole, reached..<start)
      reached = start
      model.backend.copy(whole, to: without)
      decoder.ablatedHeads = heads
      try run(without, start..<layers)
      losses[1 + index] = try self.losses(of: sequences, without)
    }
    decoder.ablatedHeads = .none
    try run(whole, reached..<layers)
    losses[0] = try self.losses(of: sequences, whole)
    return losses
  }

  /// What heads give while the unmodified model reads descriptions of an image.
  ///
  /// - Parameters:
  ///   - sequences: one a description of the same image; the rows before the first that predicts a description count once,
  ///     if all have them in common, and the others for each description.
  ///   - layers: of the heads.
  ///   - afterLayer: called after each layer; a thrown error ends the pass.
  /// - Returns: by layer the sum over the rows of image tokens and over those of the text, added row by row, and how many there are.
  /// - Throws: as `read`.
  public func headOutputs(
    image: some ImageForModel, sequences: [TokenSequence], layers: Set<Int>,
    afterLayer: @escaping () throws -> Void = {}
  ) throws -> [Int: HeadOutputSums] {
    guard !sequences.isEmpty else { return [:] }
    let decoder = model.decoder
    let visual = try model.encode(image, taps: Taps(afterLayer: { _, _ in try afterLayer() }))
    let shared = model.sharedRows(of: sequences) { $0.predictingRows.lowerBound }
    let width = decoder.layers[0].attention.shape.queryWidth
    var sums = Dictionary(uniqueKeysWithValues: layers.map { ($0, HeadOutputSums(width: width)) })
    for (place, group) in groups(of: sequences, start: shared.start).enumerated() {
      let layout = SequenceLayout(
        newPrefix: shared.prefix, segments: group.map { $0.predictingRows.upperBound - shared.start },
        repeatedRows: shared.repeated)
      decoder.reserve(cache, rows: layout.keys)
      let counted = countedRows(group, layout, withPrefix: place == 0)
      let pass = model.pack(group, layout: layout, visual: visual, into: hidden)
      let taps = Taps(
        afterLayer: { _, _ in try afterLayer() },
        headOutputs: { [backend = model.backend] layer, rows in
          guard sums[layer] != nil else { return }
          backend.withFloats(of: rows) { values in
            for (row, isImage) in counted {
              sums[layer]?.add(values.span.extracting(row * width..<(row + 1) * width), isImage: isImage)
            }
          }
        })
      // No layer above the highest of them matters.
      try decoder.forward(
        pass.hidden, layout: pass.layout, angles: pass.angles, cache: cache, layers: 0..<(layers.max() ?? -1) + 1,
        additions: pass.additions, taps: taps)
    }
    return sums
  }

  /// The rows of a pass that count, and whether each is an image token's: of the prefix those before the first that
  /// predicts a description, and all of each description's own.
  private func countedRows(
    _ sequences: [TokenSequence], _ layout: SequenceLayout, withPrefix: Bool
  ) -> [(row: Int, isImage: Bool)] {
    func isImage(_ position: Int, of sequence: TokenSequence) -> Bool {
      sequence.image.ranges.contains { $0.contains(position) }
    }
    var rows = withPrefix ? (0..<layout.segmentStart).map { ($0, isImage($0, of: sequences[0])) } : []
    var start = layout.newPrefix
    for (sequence, length) in zip(sequences, layout.segments) {
      rows += (0..<length).map { (start + $0, isImage(layout.segmentStart + $0, of: sequence)) }
      start += length
    }
    return rows
  }

  private func losses(of sequences: [TokenSequence], _ stream: Tensor) throws -> [Double] {
    let targets = sequences.flatMap(\.supervised)
    let losses = try model.outputHead.crossEntropy(stream.rows(0..<targets.count), targets: targets, gradient: nil)
    var first = 0
    return sequences.map { sequence in
      defer { first += sequence.predictingRows.count }
      return losses[first..<first + sequence.predictingRows.count].reduce(0, +)
    }
  }
}

/// Sums of what a layer's heads give, in float64.
public struct HeadOutputSums: Sendable, Equatable {
  /// - Shape: [H · D].
  public private(set) var image: [Double]
  public private(set) var text: [Double]
  public private(set) var imageRows = 0
  public private(set) var textRows = 0

  public init(width: Int) {
    image = [Double](repeating: 0, count: width)
    text = image
  }

  mutating func add(_ row: Span<Float>, isImage: Bool) {
    if isImage {
      imageRows += 1
      for column in image.indices { image[column] += Double(row[column]) }
    } else {
      textRows += 1
      for column in text.indices { text[column] += Double(row[column]) }
    }
  }
}

extension TokenSequence {
  /// Whether the image tokens of both have the same positions: with them in one pass, ablated heads know which rows they are.
  public func hasSameImage(as other: TokenSequence) -> Bool { image == other.image && visual == other.visual }
}

extension AblatedHeads {
  /// The same in a pass over sequences whose image tokens have the same positions.
  public func inPass(over sequences: [TokenSequence]) -> AblatedHeads {
    precondition(sequences.allSatisfy { $0.hasSameImage(as: sequences[0]) })
    return sequences.first.map { inPass(image: $0.image.ranges, visual: $0.visual.ranges) } ?? self
  }

  /// The first layer that is another than the model's.
  fileprivate var start: Int { lowestLayer ?? 0 }
}

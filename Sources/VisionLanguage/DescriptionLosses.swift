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
  ///   - sequences: one a description of the same image; what they begin with in common is computed once.
  ///   - afterLayer: called after each layer; a thrown error ends the pass.
  /// - Returns: the sum of each description's token losses: of the unmodified model, then of each ablation.
  ///   - Shape: [1 + ablations.count] of [sequences.count].
  /// - Throws: `OneDNNError`, an image error, and what `afterLayer` throws.
  public func read(
    image: RGBImage, sequences: [TokenSequence], ablations: [AblatedHeads],
    afterLayer: @escaping () throws -> Void = {}
  ) throws -> [[Double]] {
    var losses = [[Double]](repeating: [], count: 1 + ablations.count)
    guard !sequences.isEmpty else { return losses }
    let taps = Taps(afterLayer: { _, _ in try afterLayer() })
    let visual = try model.encode(image, taps: taps)
    let shared = model.sharedRows(of: sequences) { $0.predictingRows.lowerBound }
    for group in groups(of: sequences, start: shared.start) {
      for (index, some) in try read(group, shared: shared, visual: visual, ablations: ablations, taps: taps)
        .enumerated()
      {
        losses[index] += some
      }
    }
    return losses
  }

  /// Consecutive descriptions whose rows fit one pass.
  private func groups(of sequences: [TokenSequence], start: Int) -> [[TokenSequence]] {
    var groups: [[TokenSequence]] = []
    var rows = 0
    for sequence in sequences {
      let more = sequence.predictingRows.upperBound - start
      if groups.isEmpty || rows + more > descriptionRows {
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

extension AblatedHeads {
  /// The first layer that is another than the model's.
  fileprivate var start: Int { lowestLayer ?? 0 }
}

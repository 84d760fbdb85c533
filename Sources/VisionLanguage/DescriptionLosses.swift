import ImageInput
import Kernels
import Transformer

/// The losses of an image's descriptions, as in training (docs/training.md), of the unmodified model and with some
/// of its heads ablated.
public final class DescriptionLossReader {
  private let model: any VisionLanguageModel
  private let cache = KeyValueCache()
  /// Of the unmodified model, up to the layer that has been run.
  private var hidden = AlignedBuffer<Float>()
  /// Of the model with some heads ablated.
  private var ablated = AlignedBuffer<Float>()

  /// Rows of descriptions that one pass takes beside the shared prefix.
  private let descriptionRows: Int

  public convenience init(_ model: any VisionLanguageModel) { self.init(model, descriptionRows: 512) }

  init(_ model: any VisionLanguageModel, descriptionRows: Int) {
    self.model = model
    self.descriptionRows = descriptionRows
  }

  /// The vision pass is done once; so is, for each ablation, what lies below its lowest layer.
  ///
  /// - Parameters:
  ///   - sequences: one a description of the same image; what they begin with in common is computed once.
  ///   - afterLayer: called after each layer; a thrown error ends the pass.
  /// - Returns: the sum of each description's token losses: of the model as it is, then of each ablation.
  ///   - Shape: [1 + ablations.count] of [sequences.count].
  /// - Throws: `OneDNNError`, an image error, and what `afterLayer` throws.
  public func read(
    image: RGBImage, sequences: [TokenSequence], ablations: [AblatedHeads],
    afterLayer: @escaping () throws -> Void = {}
  ) throws -> [[Double]] {
    var losses = [[Double]](repeating: [], count: 1 + ablations.count)
    guard !sequences.isEmpty else { return losses }
    let taps = Taps(hiddenState: { _, _ in try afterLayer() })
    let visual = try model.encode(image, taps: taps)
    let prefix = sequences.sharedPrefix { $0.predictingRows.lowerBound }
    for group in groups(of: sequences, prefix: prefix) {
      for (index, some) in try read(group, prefix: prefix, visual: visual, ablations: ablations, taps: taps)
        .enumerated()
      {
        losses[index] += some
      }
    }
    return losses
  }

  /// Consecutive descriptions whose rows fit one pass.
  private func groups(of sequences: [TokenSequence], prefix: Int) -> [[TokenSequence]] {
    var groups: [[TokenSequence]] = []
    var rows = 0
    for sequence in sequences {
      let more = sequence.predictingRows.upperBound - prefix
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
    _ sequences: [TokenSequence], prefix: Int, visual: VisualFeatures, ablations: [AblatedHeads], taps: Taps
  ) throws -> [[Double]] {
    let decoder = model.decoder
    let layout = SequenceLayout(
      newPrefix: prefix, segments: sequences.map { $0.predictingRows.upperBound - prefix },
      outputRowsAtEnd: sequences.map(\.predictingRows.count))
    let count = layout.rows * decoder.hiddenSize
    hidden.reserve(count)
    ablated.reserve(count)
    decoder.reserve(cache, rows: layout.keys)
    let angles = model.embed(sequences, layout: layout, visual: visual, into: hidden.base)
    func run(_ stream: UnsafeMutablePointer<Float>, _ layers: Range<Int>) throws {
      try decoder.forward(stream, layout: layout, angles: angles, cache: cache, layers: layers, taps: taps)
    }

    let layers = decoder.layers.count
    var losses = [[Double]](repeating: [], count: 1 + ablations.count)
    var reached = 0
    defer { decoder.ablatedHeads = .none }
    // From below, so that the model as it is goes on from where the last ablation left it.
    for (index, heads) in ablations.enumerated().sorted(by: { ($0.1.start, $0.0) < ($1.1.start, $1.0) }) {
      let start = heads.start
      precondition(start < layers)
      decoder.ablatedHeads = .none
      try run(hidden.base, reached..<start)
      reached = start
      ablated.base.update(from: hidden.base, count: count)
      decoder.ablatedHeads = heads
      try run(ablated.base, start..<layers)
      losses[1 + index] = try self.losses(of: sequences, ablated.base)
    }
    decoder.ablatedHeads = .none
    try run(hidden.base, reached..<layers)
    losses[0] = try self.losses(of: sequences, hidden.base)
    return losses
  }

  private func losses(of sequences: [TokenSequence], _ stream: UnsafeMutablePointer<Float>) throws -> [Double] {
    let losses = try model.outputHead.crossEntropy(
      stream, targets: sequences.flatMap(\.supervised), gradient: nil)
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

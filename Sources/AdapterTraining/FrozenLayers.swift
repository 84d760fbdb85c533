import ImageInput
import Kernels
import Transformer
import VisionLanguage

/// What lies below the lowest adapted layer: the vision tower, and the decoder's first layers. They run once for a picture
/// and all its samples: the rows that the samples begin with are a prefix, and each sample's own rows a segment.
final class FrozenLayers {
  private let model: any VisionLanguageModel
  private let cache: KeyValueCache
  private let hidden = ScratchTensor()
  private let attend: () throws -> Void
  private let ownRows: Int
  private var taps: Taps { Taps(afterLayer: { [attend] _, _ in try attend() }) }

  /// - Parameters:
  ///   - cache: for the keys and values of a pass.
  ///   - ownRows: of samples that one pass takes beside what they share.
  ///   - attend: called after each layer; what it throws ends the pass.
  init(
    model: any VisionLanguageModel, cache: KeyValueCache, ownRows: Int = 512,
    attend: @escaping () throws -> Void = {}
  ) {
    self.model = model
    self.cache = cache
    self.ownRows = ownRows
    self.attend = attend
  }

  /// How many rows all samples of a picture begin with.
  func sharedRows(of samples: [TrainingSample]) -> Int {
    model.sharedPrefix(of: samples.map(\.sequence)) { $0.predictingRows.upperBound }
  }

  /// What enters a layer, from the picture.
  ///
  /// - Parameters:
  ///   - samples: of the picture; not none.
  ///   - shared: how many rows all samples of the picture begin with.
  /// - Throws: an image error, and what `attend` throws.
  func states(
    of samples: [TrainingSample], sharing shared: Int, image: some ImageForModel, entering layer: Int,
    as elementType: ElementType
  ) throws -> PictureStates {
    let visual = try model.encode(image, taps: taps)
    precondition(visual.additions.map(\.afterLayer) == model.streamAdditionLayers)
    if layer == 0 { return features(visual, of: samples.count, as: elementType) }
    return try run(samples, sharing: shared, visual: visual, 0..<layer, as: elementType)
  }

  /// The same from what enters a layer below it.
  ///
  /// - Parameter states: of the same samples, in float32.
  /// - Throws: what `attend` throws.
  func states(
    of samples: [TrainingSample], sharing shared: Int, from states: PictureStates, entering lower: Int,
    to layer: Int, as elementType: ElementType
  ) throws -> PictureStates {
    let below = samples.indices.map { thaw(states[$0], of: samples[$0], entering: lower, as: .f32) }
    if layer == 0, let visual = below[0].visual { return features(visual, of: samples.count, as: elementType) }
    // The embeddings that a pass begins with are replaced by what entered the lower layer.
    let visual =
      below[0].visual
      ?? VisualFeatures(
        values: model.backend.tensor(rows: samples[0].sequence.image.count, columns: model.decoder.hiddenSize),
        additions: below[0].additions)
    return try run(samples, sharing: shared, visual: visual, lower..<layer, as: elementType) {
      write(below[$0], $1, of: samples[$0], as: .f32, into: $2)
    }
  }

  /// What enters layer 0 of samples of one picture.
  private func features(_ visual: VisualFeatures, of count: Int, as elementType: ElementType) -> PictureStates {
    PictureStates(
      shared: ([visual.values] + visual.additions.map(\.values)).flatMap {
        model.backend.bytes(of: $0, as: elementType)
      }, own: Array(repeating: [], count: count))
  }

  /// Runs layers over the rows that the samples share, and over each sample's own.
  ///
  /// - Parameter fill: writes rows of a sample, as they enter the first of the layers; by default they are embeddings.
  private func run(
    _ samples: [TrainingSample], sharing shared: Int, visual: VisualFeatures, _ layers: Range<Int>,
    as elementType: ElementType, fill: (_ sample: Int, _ rows: Range<Int>, _ stream: Tensor) -> Void = { _, _, _ in }
  ) throws -> PictureStates {
    var states = PictureStates(own: Array(repeating: [], count: samples.count))
    let passes = passes(samples.map { $0.rows - shared })
    let most = passes.map { $0.reduce(0) { $0 + samples[$1].rows - shared } }.max() ?? 0
    model.decoder.reserve(cache, rows: shared + most)
    for (index, pass) in passes.enumerated() {
      let isFirst = index == 0
      let layout = SequenceLayout(
        cachedPrefix: isFirst ? 0 : shared, newPrefix: isFirst ? shared : 0,
        segments: pass.map { samples[$0].rows - shared })
      let packed = model.pack(
        pass.isEmpty ? [samples[0].sequence] : pass.map { samples[$0].sequence }, layout: layout,
        visual: visual, into: hidden)
      if layout.newPrefix > 0 { fill(0, 0..<shared, packed.hidden.rows(0..<shared)) }
      var places: [Range<Int>] = []
      for (sample, rows) in zip(pass, layout.segments) {
        let first = places.last?.upperBound ?? layout.newPrefix
        places.append(first..<first + rows)
        fill(sample, shared..<shared + rows, packed.hidden.rows(first..<first + rows))
      }
      try model.decoder.forward(
        packed.hidden, layout: packed.layout, angles: packed.angles, cache: cache, layers: layers,
        additions: packed.additions, taps: taps)
      if layout.newPrefix > 0 {
        states.shared = model.backend.bytes(of: packed.hidden.rows(0..<shared), as: elementType)
      }
      for (sample, rows) in zip(pass, places) {
        states.own[sample] = model.backend.bytes(of: packed.hidden.rows(rows), as: elementType)
      }
    }
    for addition in visual.additions where addition.afterLayer >= layers.upperBound {
      states.shared += model.backend.bytes(of: addition.values, as: elementType)
    }
    return states
  }

  /// Which samples have their own rows computed together: consecutive ones, as many as one pass takes.
  ///
  /// - Parameter rows: of each sample; one that has none is in no pass.
  /// - Returns: at least one pass, perhaps of no sample: the first computes what they share.
  private func passes(_ rows: [Int]) -> [[Int]] {
    var passes: [[Int]] = [[]]
    var taken = 0
    for (sample, more) in rows.enumerated() where more > 0 {
      if taken > 0, taken + more > ownRows {
        passes.append([])
        taken = 0
      }
      passes[passes.count - 1].append(sample)
      taken += more
    }
    return passes
  }

  // MARK: - From bytes

  /// What a sample's bytes say, with the tensors that go to its pass.
  struct Thawed {
    fileprivate let states: FrozenStates
    /// Of the layer 0 alone.
    fileprivate let visual: VisualFeatures?
    /// Rows that `states.shared` holds.
    fileprivate let rows: Int
    let additions: [(afterLayer: Int, values: Tensor)]
  }

  /// - Parameter states: of as many bytes as `sharedByteCount` and `ownByteCount` say.
  func thaw(
    _ states: FrozenStates, of sample: TrainingSample, entering layer: Int, as elementType: ElementType
  ) -> Thawed {
    let (tokens, columns) = (sample.sequence.image.count, model.decoder.hiddenSize)
    let layers = model.streamAdditionLayers.filter { $0 >= layer }
    let size = tokens * columns * elementType.byteCount
    let first = states.shared.count - layers.count * size
    func tensor(at start: Int) -> Tensor {
      let tensor = model.backend.tensor(rows: tokens, columns: columns)
      model.backend.fill(tensor, from: states.shared[start..<start + size], as: elementType)
      return tensor
    }
    let additions = layers.enumerated().map { (afterLayer: $1, values: tensor(at: first + $0 * size)) }
    let visual = layer == 0 ? VisualFeatures(values: tensor(at: 0), additions: additions) : nil
    return Thawed(
      states: states, visual: visual, rows: layer == 0 ? 0 : first / (columns * elementType.byteCount),
      additions: additions)
  }

  /// Writes rows of a sample's stream: some that it shares, some of its own, or all.
  ///
  /// - Shape: stream [rows.count, C].
  func write(
    _ thawed: Thawed, _ rows: Range<Int>, of sample: TrainingSample, as elementType: ElementType, into stream: Tensor
  ) {
    if let visual = thawed.visual {
      model.embed(sample.sequence, rows: rows, visual: visual, into: stream)
      // As if they had been kept.
      if elementType != .f32 {
        model.backend.fill(stream, from: model.backend.bytes(of: stream, as: elementType)[...], as: elementType)
      }
      return
    }
    let rowBytes = model.decoder.hiddenSize * elementType.byteCount
    for (bytes, held) in [(thawed.states.shared, 0..<thawed.rows), (thawed.states.own, thawed.rows..<sample.rows)] {
      let part = held.clamped(to: rows)
      guard !part.isEmpty else { continue }
      let first = (part.lowerBound - held.lowerBound) * rowBytes
      model.backend.fill(
        stream.rows(part.lowerBound - rows.lowerBound..<part.upperBound - rows.lowerBound),
        from: bytes[first..<first + part.count * rowBytes], as: elementType)
    }
  }

  /// How many bytes `FrozenStates.shared` has.
  ///
  /// - Parameter shared: how many rows all samples of the picture begin with.
  func sharedByteCount(
    of sample: TrainingSample, sharing shared: Int, entering layer: Int, as elementType: ElementType
  ) -> Int {
    let tokens = sample.sequence.image.count
    let rows = (layer == 0 ? tokens : shared) + model.streamAdditionLayers.count { $0 >= layer } * tokens
    return rows * model.decoder.hiddenSize * elementType.byteCount
  }

  /// How many bytes `FrozenStates.own` has.
  func ownByteCount(
    of sample: TrainingSample, sharing shared: Int, entering layer: Int, as elementType: ElementType
  ) -> Int {
    layer == 0 ? 0 : (sample.rows - shared) * model.decoder.hiddenSize * elementType.byteCount
  }
}

import ImageInput
import Kernels
import Transformer
import VisionLanguage

/// The arithmetic of training: a sample's frozen prefix, and loss and gradients on top of it.
final class SampleGradients {
  /// A sample, and what enters the lowest adapted layer (`frozenStates`), as `Backend.bytes` gives it.
  typealias Input = (sample: TrainingSample, prefix: [UInt8])

  private let model: any VisionLanguageModel
  /// The lowest adapted layer: what lies below is frozen.
  let lowestLayer: Int
  private let cache: KeyValueCache
  private let tape = ActivationTape()
  private let hidden = ScratchTensor()
  private let frozenScratch = ScratchTensor()
  private let gradient = ScratchTensor()
  /// Called after each layer.
  private let attend: () throws -> Void
  private var taps: Taps { Taps(afterLayer: { [attend] _, _ in try attend() }) }

  /// - Parameter attend: called after each layer; what it throws ends the pass.
  init(model: any VisionLanguageModel, adapter: LowRankAdapter, attend: @escaping () throws -> Void = {}) {
    self.model = model
    self.attend = attend
    lowestLayer = adapter.lowestLayer ?? model.decoder.layers.count
    cache = KeyValueCache(on: model.backend)
  }

  /// What enters a layer, by default the lowest adapted one: the sample's hidden states, and behind them what the image adds
  /// to the stream behind that layer and those above it.
  ///
  /// - Shape: [sample.rows + n · image tokens, C], valid until the next pass; n layers have additions.
  /// - Throws: `OneDNNError`, an image error, and what `attend` throws.
  func frozenStates(of sample: TrainingSample, image: RGBImage, entering layer: Int? = nil) throws -> Tensor {
    let visual = try model.encode(image, taps: taps)
    precondition(visual.additions.map(\.afterLayer) == model.streamAdditionLayers)
    let pass = model.pack(
      [sample.sequence], layout: SequenceLayout(newPrefix: sample.rows), visual: visual, into: hidden)
    let stream = try run(pass.hidden, 0..<(layer ?? lowestLayer), of: sample, additions: pass.additions)
    return frozen(stream, visual.additions.filter { $0.afterLayer >= layer ?? lowestLayer }.map(\.values))
  }

  /// How many bytes a sample's frozen states take, as they enter the lowest adapted layer.
  func frozenByteCount(of sample: TrainingSample, as elementType: ElementType) -> Int {
    let added = model.streamAdditionLayers.count { $0 >= lowestLayer } * sample.sequence.image.count
    return (sample.rows + added) * model.decoder.hiddenSize * elementType.byteCount
  }

  /// What enters the lowest adapted layer, from what enters a layer below it.
  ///
  /// - Shape: as above, both.
  /// - Parameter states: as `Backend.bytes` gives them in float32.
  /// - Throws: `OneDNNError`, and what `attend` throws.
  func frozenStates(of sample: TrainingSample, from states: [UInt8], entering layer: Int) throws -> Tensor {
    let below = thawed(states, as: .f32, of: sample, entering: layer)
    let stream = try run(
      below.stream, layer..<lowestLayer, of: sample,
      additions: below.additions.map {
        StreamAddition(afterLayer: $0.layer, positions: sample.sequence.image.positions, values: $0.values)
      })
    return frozen(stream, below.additions.filter { $0.layer >= lowestLayer }.map(\.values))
  }

  private func run(
    _ stream: Tensor, _ layers: Range<Int>, of sample: TrainingSample, additions: [StreamAddition]
  ) throws -> Tensor {
    model.decoder.reserve(cache, rows: sample.rows)
    try model.decoder.forward(
      stream, layout: model.withBlocks(SequenceLayout(newPrefix: sample.rows), of: [sample.sequence]),
      angles: model.angles(sample.sequence).rows(0..<sample.rows), cache: cache, layers: layers, additions: additions,
      taps: taps)
    return stream
  }

  /// Hidden states and what is yet to be added to them, one behind the other.
  private func frozen(_ stream: Tensor, _ additions: [Tensor]) -> Tensor {
    guard !additions.isEmpty else { return stream }
    let all = frozenScratch.reserving(
      rows: stream.rows + additions.reduce(0) { $0 + $1.rows }, columns: stream.columns, on: model.backend)
    var row = 0
    for part in [stream] + additions {
      model.backend.copy(part, to: all.rows(row..<row + part.rows))
      row += part.rows
    }
    return all
  }

  /// What `frozenStates` gave, from its bytes.
  ///
  /// - Parameter stream: where the hidden states go; by default into scratch.
  private func thawed(
    _ bytes: [UInt8], as elementType: ElementType, of sample: TrainingSample, entering layer: Int,
    into stream: Tensor? = nil
  ) -> (stream: Tensor, additions: [(layer: Int, values: Tensor)]) {
    let columns = model.decoder.hiddenSize
    let stream = stream ?? hidden.reserving(rows: sample.rows, columns: columns, on: model.backend)
    let layers = model.streamAdditionLayers.filter { $0 >= layer }
    guard !layers.isEmpty else {
      model.backend.fill(stream, from: bytes, as: elementType)
      return (stream, [])
    }
    let tokens = sample.sequence.image.count
    let all = model.backend.tensor(rows: sample.rows + layers.count * tokens, columns: columns)
    model.backend.fill(all, from: bytes, as: elementType)
    model.backend.copy(all.rows(0..<sample.rows), to: stream)
    return (
      stream,
      layers.enumerated().map { index, layer in
        let first = sample.rows + index * tokens
        return (layer, all.rows(first..<first + tokens))
      }
    )
  }

  /// One pass over several samples, a segment each.
  ///
  /// - Parameters:
  ///   - samples: each with its frozen prefix.
  ///   - elementType: of the prefixes.
  ///   - dropout: the rate, and the key of each sample.
  ///   - gradients: added to, those of the sum of all losses; nil computes the losses alone. As `LowRankAdapter.parameters`.
  /// - Returns: the sum of each sample's token losses.
  /// - Throws: `OneDNNError`, and what `attend` throws.
  func losses(
    _ samples: [Input], as elementType: ElementType, dropout: (rate: Float, keys: [UInt64])? = nil, gradients: Tensor?
  ) throws -> [Double] {
    let decoder = model.decoder
    let layout = SequenceLayout(
      newPrefix: 0, segments: samples.map(\.sample.rows), outputRowsAtEnd: samples.map(\.sample.supervisedTokens))
    let stream = hidden.reserving(rows: layout.rows, columns: decoder.hiddenSize, on: model.backend)
    var row = 0
    var angles: [RotaryAngles] = []
    var additions: [StreamAddition] = []
    for (index, (sample, prefix)) in samples.enumerated() {
      additions += thawed(
        prefix, as: elementType, of: sample, entering: lowestLayer, into: stream.rows(row..<row + sample.rows)
      ).additions.map {
        StreamAddition(
          afterLayer: $0.layer, segment: index, positions: sample.sequence.image.positions, values: $0.values)
      }
      let own = model.angles(sample.sequence).rows(0..<sample.rows)
      if angles.isEmpty { angles = own } else { angles.append(own) }
      row += sample.rows
    }
    tape.dropout = dropout.map { dropout in
      ActivationTape.Dropout(
        rate: dropout.rate,
        rowKeys: zip(samples, dropout.keys).flatMap { sample, key in
          (0..<sample.sample.rows).map { key &+ UInt64($0) &* 0x9E37_79B9_7F4A_7C15 }
        })
    }
    decoder.reserve(cache, rows: layout.keys)
    try decoder.forward(
      stream, layout: model.withBlocks(layout, of: samples.map(\.sample.sequence)), angles: angles, cache: cache,
      layers: lowestLayer..<decoder.layers.count, additions: additions, taps: taps, tape: gradients == nil ? nil : tape)

    let targets = samples.flatMap(\.sample.sequence.supervised)
    let outputs = stream.rows(0..<targets.count)
    let dOutputs = gradients.map { _ in
      gradient.reserving(rows: targets.count, columns: decoder.hiddenSize, on: model.backend)
    }
    let losses = try model.outputHead.crossEntropy(outputs, targets: targets, gradient: dOutputs)
    if let gradients, let dOutputs {
      try decoder.backward(dOutputs, tape: tape, cache: cache, into: gradients, afterLayer: attend)
    }
    var first = 0
    return samples.map { sample, _ in
      defer { first += sample.supervisedTokens }
      return losses[first..<first + sample.supervisedTokens].reduce(0, +)
    }
  }
}

extension Precision {
  /// What frozen prefixes are kept in: the type of the operands of matrix products.
  var elementType: ElementType {
    switch self {
    case .f32: .f32
    case .bf16: .bf16
    }
  }
}

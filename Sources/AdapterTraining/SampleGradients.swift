import ImageInput
import Kernels
import Transformer
import VisionLanguage

/// The arithmetic of training: a sample's frozen prefix, and loss and gradients on top of it.
final class SampleGradients {
  /// A sample, and the hidden states that enter the lowest adapted layer, as `Backend.bytes` gives them.
  typealias Input = (sample: TrainingSample, prefix: [UInt8])

  private let model: any VisionLanguageModel
  /// The lowest adapted layer: what lies below is frozen.
  let lowestLayer: Int
  private let cache: KeyValueCache
  private let tape = ActivationTape()
  private let hidden = ScratchTensor()
  private let gradient = ScratchTensor()

  init(model: any VisionLanguageModel, adapter: LowRankAdapter) {
    self.model = model
    lowestLayer = adapter.lowestLayer ?? model.decoder.layers.count
    cache = KeyValueCache(on: model.backend)
  }

  /// The hidden states that enter a layer, by default the lowest adapted one.
  ///
  /// - Shape: [sample.rows, C], valid until the next pass.
  /// - Throws: `OneDNNError`, or an image error.
  func hiddenStates(of sample: TrainingSample, image: RGBImage, entering layer: Int? = nil) throws -> Tensor {
    let visual = try model.encode(image, taps: Taps())
    let pass = model.pack(
      [sample.sequence], layout: SequenceLayout(newPrefix: sample.rows), visual: visual, into: hidden)
    return try run(pass.hidden, 0..<(layer ?? lowestLayer), of: sample, additions: pass.additions)
  }

  /// The hidden states that enter the lowest adapted layer, from those that enter a layer below it.
  ///
  /// - Shape: states and result [sample.rows, C], the result valid until the next pass.
  /// - Parameter states: as `Backend.bytes` gives them in float32.
  /// - Throws: `OneDNNError`.
  func hiddenStates(of sample: TrainingSample, from states: [UInt8], entering layer: Int) throws -> Tensor {
    let stream = hidden.reserving(rows: sample.rows, columns: model.decoder.hiddenSize, on: model.backend)
    model.backend.fill(stream, from: states, as: .f32)
    return try run(stream, layer..<lowestLayer, of: sample)
  }

  private func run(
    _ stream: Tensor, _ layers: Range<Int>, of sample: TrainingSample, additions: [StreamAddition] = []
  ) throws -> Tensor {
    model.decoder.reserve(cache, rows: sample.rows)
    try model.decoder.forward(
      stream, layout: model.withBlocks(SequenceLayout(newPrefix: sample.rows), of: [sample.sequence]),
      angles: model.angles(sample.sequence).rows(0..<sample.rows), cache: cache, layers: layers, additions: additions)
    return stream
  }

  /// One pass over several samples, a segment each.
  ///
  /// - Parameters:
  ///   - samples: each with its frozen prefix.
  ///   - elementType: of the prefixes.
  ///   - dropout: the rate, and the key of each sample.
  ///   - gradients: added to, those of the sum of all losses; nil computes the losses alone. As `LowRankAdapter.parameters`.
  /// - Returns: the sum of each sample's token losses.
  /// - Throws: `OneDNNError`.
  func losses(
    _ samples: [Input], as elementType: ElementType, dropout: (rate: Float, keys: [UInt64])? = nil, gradients: Tensor?
  ) throws -> [Double] {
    let decoder = model.decoder
    let layout = SequenceLayout(
      newPrefix: 0, segments: samples.map(\.sample.rows), outputRowsAtEnd: samples.map(\.sample.supervisedTokens))
    let stream = hidden.reserving(rows: layout.rows, columns: decoder.hiddenSize, on: model.backend)
    var row = 0
    var angles: [RotaryAngles] = []
    for (sample, prefix) in samples {
      model.backend.fill(stream.rows(row..<row + sample.rows), from: prefix, as: elementType)
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
      layers: lowestLayer..<decoder.layers.count, tape: gradients == nil ? nil : tape)

    let targets = samples.flatMap(\.sample.sequence.supervised)
    let outputs = stream.rows(0..<targets.count)
    let dOutputs = gradients.map { _ in
      gradient.reserving(rows: targets.count, columns: decoder.hiddenSize, on: model.backend)
    }
    let losses = try model.outputHead.crossEntropy(outputs, targets: targets, gradient: dOutputs)
    if let gradients, let dOutputs {
      try decoder.backward(dOutputs, tape: tape, cache: cache, into: gradients)
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

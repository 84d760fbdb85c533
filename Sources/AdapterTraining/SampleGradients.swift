import ImageInput
import Kernels
import Transformer
import VisionLanguage

/// The arithmetic of training: a sample's frozen prefix, and loss and gradients on top of it.
final class SampleGradients {
  private let model: any VisionLanguageModel
  /// The lowest adapted layer: what lies below is frozen.
  let lowestLayer: Int
  private let cache = KeyValueCache()
  private let tape = ActivationTape()
  private var hidden = AlignedBuffer<Float>()
  private var gradient = AlignedBuffer<Float>()

  init(model: any VisionLanguageModel, adapter: LowRankAdapter) {
    self.model = model
    lowestLayer = adapter.lowestLayer ?? model.decoder.layers.count
  }

  /// The hidden states that enter a layer, by default the lowest adapted one.
  ///
  /// - Shape: [sample.rows, C].
  /// - Throws: `OneDNNError`, or an image error.
  func hiddenStates(of sample: TrainingSample, image: RGBImage, entering layer: Int? = nil) throws -> [Float] {
    let visual = try model.encode(image, taps: Taps())
    hidden.reserve(sample.rows * model.decoder.hiddenSize)
    model.embed(sample.sequence, rows: 0..<sample.rows, visual: visual, into: hidden.base)
    return try run(0..<(layer ?? lowestLayer), of: sample)
  }

  /// The hidden states that enter the lowest adapted layer, from those that enter a layer below it.
  ///
  /// - Shape: states and result [sample.rows, C].
  /// - Throws: `OneDNNError`.
  func hiddenStates(of sample: TrainingSample, from states: [Float], entering layer: Int) throws -> [Float] {
    hidden.reserve(states.count)
    hidden.base.update(from: states, count: states.count)
    return try run(layer..<lowestLayer, of: sample)
  }

  private func run(_ layers: Range<Int>, of sample: TrainingSample) throws -> [Float] {
    let decoder = model.decoder
    let rows = sample.rows
    decoder.reserve(cache, rows: rows)
    try decoder.forward(
      hidden.base, layout: SequenceLayout(newPrefix: rows),
      angles: model.angles(sample.sequence).rows(0..<rows), cache: cache, layers: layers)
    return Array(UnsafeBufferPointer(start: hidden.base, count: rows * decoder.hiddenSize))
  }

  /// One pass over several samples, a segment each.
  ///
  /// - Parameters:
  ///   - samples: each with the hidden states that enter the lowest adapted layer.
  ///   - dropout: the rate, and the key of each sample.
  ///   - gradients: added to, those of the sum of all losses; nil computes the losses alone. As `LowRankAdapter.parameters`.
  /// - Returns: the sum of each sample's token losses.
  /// - Throws: `OneDNNError`.
  func losses(
    _ samples: [(sample: TrainingSample, prefix: [Float])], dropout: (rate: Float, keys: [UInt64])? = nil,
    gradients: UnsafeMutablePointer<Float>?
  ) throws -> [Double] {
    let decoder = model.decoder
    let size = decoder.hiddenSize
    let layout = SequenceLayout(
      newPrefix: 0, segments: samples.map(\.sample.rows), outputRowsAtEnd: samples.map(\.sample.supervisedTokens))
    hidden.reserve(layout.rows * size)
    var row = 0
    var angles = RotaryAngles(cosines: [], sines: [], half: decoder.layers[0].attention.shape.headDim / 2)
    for (sample, prefix) in samples {
      precondition(prefix.count == sample.rows * size)
      (hidden.base + row * size).update(from: prefix, count: prefix.count)
      angles.append(model.angles(sample.sequence).rows(0..<sample.rows))
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
      hidden.base, layout: layout, angles: angles, cache: cache, layers: lowestLayer..<decoder.layers.count,
      tape: gradients == nil ? nil : tape)

    let targets = samples.flatMap(\.sample.sequence.supervised)
    gradient.reserve(layout.rows * size)
    let losses = try model.outputHead.crossEntropy(
      hidden.base, targets: targets, gradient: gradients == nil ? nil : gradient.base)
    if let gradients {
      try decoder.backward(gradient.base, tape: tape, cache: cache, into: gradients)
    }
    var first = 0
    return samples.map { sample, _ in
      defer { first += sample.supervisedTokens }
      return losses[first..<first + sample.supervisedTokens].reduce(0, +)
    }
  }
}

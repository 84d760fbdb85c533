import Kernels
import Transformer
import VisionLanguage

/// The arithmetic of training: loss and gradients on top of what is frozen.
final class SampleGradients {
  /// A sample, and what enters the lowest adapted layer.
  typealias Input = (sample: TrainingSample, prefix: FrozenStates)

  private let model: any VisionLanguageModel
  /// The lowest adapted layer: what lies below is frozen.
  let lowestLayer: Int
  /// What lies below it.
  let frozen: FrozenLayers
  private let cache: KeyValueCache
  private let tape = ActivationTape()
  private let hidden = ScratchTensor()
  private let gradient = ScratchTensor()
  /// Called after each layer.
  private let attend: () throws -> Void

  /// - Parameter attend: called after each layer; what it throws ends the pass.
  init(model: any VisionLanguageModel, adapter: LowRankAdapter, attend: @escaping () throws -> Void = {}) {
    self.model = model
    self.attend = attend
    lowestLayer = adapter.lowestLayer ?? model.decoder.layers.count
    cache = KeyValueCache(on: model.backend)
    frozen = FrozenLayers(model: model, cache: cache, attend: attend)
  }

  /// One pass over several samples, a segment each. Losses and gradients have the bits of each sample alone.
  ///
  /// - Parameters:
  ///   - samples: each with its frozen prefix.
  ///   - elementType: of the prefixes.
  ///   - dropout: the rate, and the key of each sample.
  ///   - gradients: added to, those of each sample's loss; nil computes the losses alone. - Shape: [samples, adapter's
  ///     count], each row as `LowRankAdapter.parameters`.
  /// - Returns: the sum of each sample's token losses.
  /// - Throws: what `attend` throws.
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
      let thawed = frozen.thaw(prefix, of: sample, entering: lowestLayer, as: elementType)
      frozen.write(
        thawed, 0..<sample.rows, of: sample, as: elementType, into: stream.rows(row..<row + sample.rows))
      additions += thawed.additions.map {
        StreamAddition(
          afterLayer: $0.afterLayer, segment: index, positions: sample.sequence.image.positions, values: $0.values)
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
      layers: lowestLayer..<decoder.layers.count, additions: additions,
      taps: Taps(afterLayer: { [attend] _, _ in try attend() }), tape: gradients == nil ? nil : tape)

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

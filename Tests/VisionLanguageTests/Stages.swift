import HeadImpact
import ImageInput
import Kernels
import Safetensors
import Transformer

@testable import VisionLanguage

/// Single stages of the model, run on the goldens of the stage before.
extension OpenSample {
  func weights() throws -> Qwen2VLWeights {
    try Qwen2VLWeights(SafetensorsCheckpoint(folder: checkpoint(sample.folder)), model.configuration)
  }

  func patchEmbedding() throws -> [Float] {
    let layer = try weights().patchEmbedding
    var patches = try floats("pixel_values")
    let rows = patches.count / layer.inputs
    var output = [Float](repeating: 0, count: rows * layer.outputs)
    try patches.withUnsafeMutableBufferPointer { patches in
      try output.withUnsafeMutableBufferPointer { output in
        guard let from = patches.baseAddress, let to = output.baseAddress else { return }
        try model.context.apply(layer, to: from, rows: rows, into: to)
      }
    }
    return output
  }

  /// Each layer of the vision tower, and the merger, from the golden pixel values.
  func vision() throws -> (layers: [[Float]], merger: [Float]) {
    let tower = Qwen2VLVisionTower(configuration: model.configuration, weights: try weights(), context: model.context)
    let (height, width) = try grid()
    var layers: [[Float]] = []
    let merger = try tower.forward(
      pixelValues: floats("pixel_values"), gridHeight: height, gridWidth: width,
      taps: Taps(hiddenState: { _, rows in layers.append(rows.floats()) }))
    return (layers, merger)
  }

  /// The sequence's first hidden state, from the golden visual features.
  func embeddings() throws -> [Float] {
    let sequence = try sequence()
    var embedded = [Float](repeating: .nan, count: sequence.ids.count * model.decoder.hiddenSize)
    let features = try features()
    embedded.withUnsafeMutableBufferPointer { rows in
      if let base = rows.baseAddress {
        model.embed(sequence, rows: 0..<sequence.ids.count, visual: features, into: base)
      }
    }
    return embedded
  }

  /// The decoder over the whole sequence at once, from the golden embeddings.
  ///
  /// - Returns: each layer's hidden state [T, C], and its attention weights [H, T, T].
  func decoder() throws -> (layers: [[Float]], attention: [[Float]]) {
    let sequence = try sequence()
    let tokens = sequence.ids.count
    let heads = model.numAttentionHeads
    var hidden = try floats("decoder.embeddings")
    var layers: [[Float]] = []
    var attention = [Float](repeating: 0, count: model.decoder.layers.count * heads * tokens * tokens)
    let angles = model.angles(sequence)
    let cache = KeyValueCache()
    model.decoder.reserve(cache, rows: tokens)
    try attention.withUnsafeMutableBufferPointer { attention in
      try hidden.withUnsafeMutableBufferPointer { hidden in
        guard let weights = attention.baseAddress, let base = hidden.baseAddress else { return }
        let taps = Taps(
          hiddenState: { _, rows in layers.append(rows.floats()) },
          attentionWeights: { layer, _, head, row, shown in
            let line = weights + ((layer * heads + head) * tokens + row) * tokens
            for (column, weight) in shown.enumerated() { line[column] = weight }
          })
        try model.decoder.forward(
          base, layout: SequenceLayout(newPrefix: 0, segments: [tokens]), angles: angles, cache: cache, taps: taps)
      }
    }
    let size = heads * tokens * tokens
    return (layers, (0..<model.decoder.layers.count).map { Array(attention[$0 * size..<($0 + 1) * size]) })
  }

  /// Attention [H, rows, V] out of [H, T, T].
  func visualColumns(_ attention: [Float], rows: [Int]) throws -> [Float] {
    let sequence = try sequence()
    let tokens = sequence.ids.count
    return (0..<model.numAttentionHeads).flatMap { head in
      rows.flatMap { row in
        let line = (head * tokens + row) * tokens
        return sequence.visual.positions.map { attention[line + $0] }
      }
    }
  }

  /// AS [L · H, V] by its definition, from the whole attention matrices.
  func scoresByDefinition(
    _ query: HeadImpactOptions.Query, _ normalize: HeadImpactOptions.Normalize
  ) throws -> [Double] {
    let sequence = try sequence()
    let count = sequence.visual.count
    let rows = sequence.caption.map { query == .token ? $0 : $0 - 1 }
    return try decoder().attention.flatMap { attention in
      let weights = try visualColumns(attention, rows: rows).map(Double.init)
      return (0..<model.numAttentionHeads).flatMap { head -> [Double] in
        var mean = [Double](repeating: 0, count: count)
        for row in rows.indices {
          let line = weights[(head * rows.count + row) * count..<(head * rows.count + row + 1) * count]
          let divisor = Double(rows.count) * (normalize == .visual ? line.reduce(0, +) : 1)
          for (token, weight) in line.enumerated() { mean[token] += weight / divisor }
        }
        return mean
      }
    }
  }
}

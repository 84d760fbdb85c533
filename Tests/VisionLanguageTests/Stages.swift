import HeadImpact
import ImageInput
import Kernels
import Safetensors
import Transformer

@testable import VisionLanguage

/// Single stages of the model, run on the goldens of the stage before.
extension OpenSample {
  private func tower() throws -> Qwen2VLVisionTower {
    Qwen2VLVisionTower(
      qwenLoader(try SafetensorsCheckpoint(folder: checkpoint(sample.folder))), model.configuration.tower,
      backend: model.backend)
  }

  func patchEmbedding() throws -> [Float] {
    let layer = try tower().patchEmbedding
    let values = try floats("pixel_values")
    let patches = Tensor(values, rows: values.count / layer.inputs)
    let output = model.backend.tensor(rows: patches.rows, columns: layer.outputs)
    try model.backend.withOperand(patches) {
      try model.backend.apply(layer, to: $0, into: output, accumulate: false)
    }
    return model.backend.read(output)
  }

  /// Each layer of the vision tower, and the merger, from the golden pixel values.
  func vision() throws -> (layers: [[Float]], merger: [Float]) {
    let (height, width) = try grid()
    let batch = PatchBatch(
      pixelValues: try floats("pixel_values"), grids: [PatchGrid(rows: height, columns: width)])
    var layers: [[Float]] = []
    let merger = try tower().features(
      of: batch, taps: Taps(afterLayer: { _, rows in layers.append(model.backend.read(rows)) }))
    return (layers, model.backend.read(merger))
  }

  /// The sequence's first hidden state, from the golden visual features.
  func embeddings() throws -> [Float] {
    let sequence = try sequence()
    let embedded = Tensor(
      [Float](repeating: .nan, count: sequence.ids.count * model.decoder.hiddenSize), rows: sequence.ids.count)
    model.embed(sequence, rows: 0..<sequence.ids.count, visual: try features(), into: embedded)
    return model.backend.read(embedded)
  }

  /// The decoder over the whole sequence at once, from the golden embeddings.
  ///
  /// - Returns: each layer's hidden state [T, C], and its attention weights [H, T, T].
  func decoder() throws -> (layers: [[Float]], attention: [[Float]]) {
    let sequence = try sequence()
    let tokens = sequence.ids.count
    let heads = model.numAttentionHeads
    let hidden = Tensor(try floats("decoder.embeddings"), rows: tokens)
    var layers: [[Float]] = []
    let weights = (0..<model.decoder.layers.count).map { _ in
      Tensor([Float](repeating: 0, count: heads * tokens * tokens), rows: heads * tokens)
    }
    // Row r of head h is to be row h of block r.
    let rows = (0..<tokens).map { AttentionSums.Row(query: $0, row: $0 * heads, divisor: 1) }
    let cache = KeyValueCache(on: model.backend)
    model.decoder.reserve(cache, rows: tokens)
    try model.decoder.forward(
      hidden, layout: SequenceLayout(newPrefix: 0, segments: [tokens]), angles: model.angles(sequence), cache: cache,
      taps: Taps(
        afterLayer: { _, rows in layers.append(model.backend.read(rows)) },
        attentionSums: { layer in
          AttentionSums(sums: weights[layer], keys: [0..<tokens], normalises: false, rows: rows)
        }))
    return (
      layers,
      weights.map { weights in
        // [T, H, T] becomes [H, T, T].
        let lines = (0..<heads).flatMap { head in (0..<tokens).map { row in row * heads + head } }
        let ordered = model.backend.tensor(rows: lines.count, columns: tokens)
        model.backend.gather(weights, lines, into: ordered)
        return model.backend.read(ordered)
      }
    )
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

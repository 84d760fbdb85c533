import Foundation
import Kernels
import Testing

@testable import Transformer

/// What a tiny layer is made of.
struct LayerKind: Sendable, CustomTestStringConvertible {
  var testDescription: String
  var norm = Norm.Kind.rms
  var hasNormsBehind = false
  var hasLayerScale = false
  var hasBiases = true
  var isGated = true
  var activation = Activation.silu
  var headDim = 6
  var scoreScale: Float?
  var softcap: Float?
  /// Norms of queries and keys over D, or over all channels.
  var headNorm: HeadNorm?
  /// By layer, and over again.
  var windows: [Int?] = [nil]
  var windowHoldsBothWays = false
  var rotary: [Int?] = [0]
  /// Of an encoder, by layer.
  var blocks = [0]

  enum HeadNorm: Sendable { case heads, channels }

  init(_ description: String, _ change: (inout LayerKind) -> Void = { _ in }) {
    testDescription = description
    change(&self)
  }

  static let llama = LayerKind("Llama") { $0.hasBiases = false }
  /// As before with biases: Qwen2.
  static let qwen2 = LayerKind("Qwen2")
}

/// Tiny models of random weights, the same in every run.
struct RandomModel {
  static let hiddenSize = 24
  static let heads = AttentionShape(heads: 4, keyValueHeads: 2, headDim: 6)
  static let intermediateSize = 37

  private var state: UInt64 = 7

  mutating func numbers(_ count: Int, scale: Float = 1) -> [Float] {
    (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return scale * Float(Int32(truncatingIfNeeded: state >> 32)) / 2_147_483_648
    }
  }

  mutating func linear(_ outputs: Int, _ inputs: Int, bias: Bool = true) -> Linear {
    let weight = Tensor(numbers(outputs * inputs, scale: 1 / Float(inputs).squareRoot()), rows: outputs)
    return Linear(weight: weight, bias: bias ? Tensor(numbers(outputs, scale: 0.1)) : nil)
  }

  mutating func norm(_ kind: Norm.Kind, _ count: Int) -> Norm {
    let weight = Tensor(numbers(count).map { 1 + 0.2 * $0 })
    return Norm(kind, weight: weight, bias: kind == .layer ? Tensor(numbers(count, scale: 0.3)) : nil, eps: 1e-6)
  }

  mutating func attention(_ kind: LayerKind, keyValueHeads: Int, layer: Int) -> Attention {
    let shape = AttentionShape(
      heads: 4, keyValueHeads: keyValueHeads, headDim: kind.headDim, scoreScale: kind.scoreScale, softcap: kind.softcap)
    func headNorm(_ width: Int, _ model: inout RandomModel) -> Norm? {
      kind.headNorm.map { model.norm(.rms, $0 == .heads ? kind.headDim : width) }
    }
    return Attention(
      query: linear(shape.queryWidth, Self.hiddenSize, bias: kind.hasBiases),
      key: linear(shape.keyValueWidth, Self.hiddenSize, bias: kind.hasBiases),
      value: linear(shape.keyValueWidth, Self.hiddenSize, bias: kind.hasBiases),
      output: linear(Self.hiddenSize, shape.queryWidth, bias: false), shape: shape,
      queryNorm: headNorm(shape.queryWidth, &self), keyNorm: headNorm(shape.keyValueWidth, &self),
      rotary: kind.rotary[layer % kind.rotary.count], window: kind.windows[layer % kind.windows.count],
      windowHoldsBothWays: kind.windowHoldsBothWays, blocks: kind.blocks[layer % kind.blocks.count])
  }

  mutating func layer(_ kind: LayerKind, keyValueHeads: Int, index: Int) -> TransformerLayer {
    let size = Self.hiddenSize
    let isPlain = !kind.isGated
    return TransformerLayer(
      inputNorm: norm(kind.norm, size), attention: attention(kind, keyValueHeads: keyValueHeads, layer: index),
      attentionOutputNorm: kind.hasNormsBehind ? norm(kind.norm, size) : nil,
      attentionScale: kind.hasLayerScale ? Tensor(numbers(size)) : nil, feedForwardNorm: norm(kind.norm, size),
      feedForward: FeedForward(
        gate: kind.isGated ? linear(Self.intermediateSize, size, bias: false) : nil,
        up: linear(Self.intermediateSize, size, bias: isPlain && kind.hasBiases),
        down: linear(size, Self.intermediateSize, bias: isPlain && kind.hasBiases), activation: kind.activation),
      feedForwardOutputNorm: kind.hasNormsBehind ? norm(kind.norm, size) : nil,
      feedForwardScale: kind.hasLayerScale ? Tensor(numbers(size)) : nil)
  }

  mutating func decoder(layers: Int, threads: Int = 2, _ kind: LayerKind = .qwen2) throws -> DecoderStack {
    DecoderStack(
      layers: (0..<layers).map { layer(kind, keyValueHeads: 2, index: $0) }, hiddenSize: Self.hiddenSize,
      backend: try CPUBackend(precision: .f32, team: ThreadTeam(count: threads)))
  }

  static let vit = LayerKind("ViT") {
    ($0.norm, $0.isGated, $0.activation) = (.layer, false, .quickGELU)
  }

  mutating func encoder(layers: Int, _ kind: LayerKind = vit) throws -> EncoderStack {
    EncoderStack(
      layers: (0..<layers).map { layer(kind, keyValueHeads: 4, index: $0) }, hiddenSize: Self.hiddenSize,
      backend: try CPUBackend(precision: .f32, team: ThreadTeam(count: 2)))
  }

  /// The angles of positions that count on by one.
  static func angles(_ positions: [Int], headDim: Int = heads.headDim, base: Float = 100) -> RotaryAngles {
    let half = headDim / 2
    let values = positions.flatMap { position in
      (0..<half).map { Float(position) * powf(base, -Float($0) / Float(half)) }
    }
    return RotaryAngles(cosines: values.map { cosf($0) }, sines: values.map { sinf($0) }, half: half)
  }

  /// Two tables, of which layers may take either.
  static func tables(_ positions: [Int], headDim: Int = heads.headDim) -> [RotaryAngles] {
    [angles(positions, headDim: headDim), angles(positions, headDim: headDim, base: 7)]
  }
}

extension Linear {
  /// The same layer, but that it doesn't see these of its inputs.
  func blind(to inputs: Set<Int>) -> Linear {
    Linear(
      weight: Tensor(
        weight.floats().enumerated().map { inputs.contains($0 % weight.columns) ? 0 : $1 }, rows: weight.rows),
      bias: bias)
  }
}

/// What a pass of the decoder leaves and shows.
struct PassResult {
  /// - Shape: [rows, C].
  var hidden: [Float]
  /// Of each layer, [rows, C].
  var layers: [[Float]] = []
  /// Of the segments' rows, by layer, head and row, as many as the row sees.
  var weights: [Key: [Float]] = [:]

  struct Key: Hashable {
    let layer: Int
    let head: Int
    let row: Int
  }
}

extension SequenceLayout {
  /// The segment and the position in its sequence of each row of the pass; the prefix has no segment.
  var places: [(segment: Int?, position: Int)] {
    (cachedPrefix..<prefix).map { (nil, $0) }
      + segments.indices.flatMap { index in
        let first = prefix + slots[index].cachedRows
        return (first..<first + segments[index]).map { (index, $0) }
      }
  }
}

extension DecoderStack {
  /// One pass over `rows`, [layout.rows, C].
  func pass(
    _ rows: [Float], _ layout: SequenceLayout, positions: [Int]? = nil, cache: KeyValueCache,
    additions: [StreamAddition] = [], stopsAtLastWeights: Bool = false, afterLayer: (Int) throws -> Void = { _ in }
  ) throws -> PassResult {
    let heads = self.layers[0].attention.shape.heads
    let places = layout.places
    let seen = (places.map(\.position).max() ?? 0) + 1
    let hidden = backend.tensor(rows, rows: layout.rows)
    var sums: [Tensor] = []
    var layers: [[Float]] = []
    try withoutActuallyEscaping(afterLayer) { afterLayer in
      let taps = Taps(
        afterLayer: { layer, rows in
          layers.append(self.backend.read(rows))
          try afterLayer(layer)
        },
        attentionSums: { _ in
          // Where only some outputs matter the last layer has other rows.
          guard layout.outputRowsAtEnd == nil else { return nil }
          let all = self.backend.tensor(rows: layout.rows * heads, columns: seen)
          self.backend.zero(all)
          sums.append(all)
          return AttentionSums(
            sums: all, keys: [0..<seen], normalises: false,
            rows: (0..<layout.rows).map { AttentionSums.Row(query: $0, row: $0 * heads, divisor: 1) })
        })
      let tables = RandomModel.tables(
        positions ?? places.map(\.position), headDim: self.layers[0].attention.shape.headDim)
      try forward(
        hidden, layout: layout, angles: tables, cache: cache, additions: additions, taps: taps,
        stopsAtLastWeights: stopsAtLastWeights)
    }
    var result = PassResult(hidden: backend.read(hidden), layers: layers)
    for (layer, sums) in sums.enumerated() {
      let values = backend.read(sums)
      for (row, place) in places.enumerated() where place.segment != nil {
        for head in 0..<heads {
          let start = (row * heads + head) * seen
          result.weights[PassResult.Key(layer: layer, head: head, row: row)] = Array(
            values[start..<start + place.position + 1])
        }
      }
    }
    return result
  }

  func freshCache(rows: Int) -> KeyValueCache {
    let cache = KeyValueCache(on: backend)
    reserve(cache, rows: rows)
    return cache
  }
}

extension [Float] {
  /// The sum of rows of so many numbers.
  func joined(in columns: Int) -> [Float] {
    var sum = Array(self[..<columns])
    for index in columns..<Swift.max(columns, count) { sum[index % columns] += self[index] }
    return sum
  }
}

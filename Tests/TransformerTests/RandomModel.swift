import Foundation
import Kernels

@testable import Transformer

/// Weights in memory of their own.
///
/// `@unchecked Sendable` invariant: nobody writes after `init`.
private final class Memory: @unchecked Sendable {
  let base: UnsafeMutablePointer<Float>

  init(_ values: [Float]) {
    base = .allocate(capacity: values.count)
    base.initialize(from: values, count: values.count)
  }

  deinit { base.deallocate() }
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
    let memory = Memory(numbers(outputs * inputs, scale: 1 / Float(inputs).squareRoot()))
    return Linear(
      weight: Tensor(
        owner: memory, base: UnsafeRawPointer(memory.base), elementType: .f32, rows: outputs, columns: inputs),
      bias: bias ? numbers(outputs, scale: 0.1) : nil)
  }

  mutating func attention(_ shape: AttentionShape) -> Attention {
    Attention(
      query: linear(shape.queryWidth, Self.hiddenSize), key: linear(shape.keyValueWidth, Self.hiddenSize),
      value: linear(shape.keyValueWidth, Self.hiddenSize),
      output: linear(Self.hiddenSize, shape.queryWidth, bias: false),
      shape: shape)
  }

  mutating func decoder(layers: Int, threads: Int = 2) throws -> DecoderStack {
    let stack = (0..<layers).map { _ in
      DecoderLayer(
        inputNorm: numbers(Self.hiddenSize).map { 1 + 0.2 * $0 }, attention: attention(Self.heads),
        postAttentionNorm: numbers(Self.hiddenSize).map { 1 + 0.2 * $0 },
        gate: linear(Self.intermediateSize, Self.hiddenSize, bias: false),
        up: linear(Self.intermediateSize, Self.hiddenSize, bias: false),
        down: linear(Self.hiddenSize, Self.intermediateSize, bias: false))
    }
    return DecoderStack(
      layers: stack, hiddenSize: Self.hiddenSize, normEps: 1e-6,
      context: try CPUBackend(precision: .f32, team: ThreadTeam(count: threads)))
  }

  mutating func encoder(layers: Int) throws -> EncoderStack {
    let shape = AttentionShape(heads: 4, keyValueHeads: 4, headDim: 6)
    let stack = (0..<layers).map { _ in
      EncoderLayer(
        norm1: norm(), attention: attention(shape), norm2: norm(), fc1: linear(Self.intermediateSize, Self.hiddenSize),
        fc2: linear(Self.hiddenSize, Self.intermediateSize), activation: .quickGELU)
    }
    return EncoderStack(
      layers: stack, hiddenSize: Self.hiddenSize,
      context: try CPUBackend(precision: .f32, team: ThreadTeam(count: 2)))
  }

  private mutating func norm() -> LayerNorm {
    LayerNorm(weight: numbers(Self.hiddenSize).map { 1 + 0.2 * $0 }, bias: numbers(Self.hiddenSize), eps: 1e-6)
  }

  /// The angles of positions that count on by one.
  static func angles(_ positions: [Int]) -> RotaryAngles {
    let half = heads.headDim / 2
    let values = positions.flatMap { position in
      (0..<half).map { Float(position) * powf(100, -Float($0) / Float(half)) }
    }
    return RotaryAngles(cosines: values.map { cosf($0) }, sines: values.map { sinf($0) }, half: half)
  }
}

extension Linear {
  /// The same layer, but that it doesn't see these of its inputs.
  func blind(to inputs: Set<Int>) -> Linear {
    let memory = Memory(weight.floats().enumerated().map { inputs.contains($0 % weight.columns) ? 0 : $1 })
    return Linear(
      weight: Tensor(
        owner: memory, base: UnsafeRawPointer(memory.base), elementType: .f32, rows: outputs, columns: self.inputs),
      bias: bias)
  }
}

/// What a pass of the decoder leaves and shows.
struct Pass {
  /// - Shape: [rows, C].
  var hidden: [Float]
  /// Of each layer, [rows, C].
  var layers: [[Float]] = []
  /// By layer, span, head and row.
  var weights: [Key: [Float]] = [:]

  struct Key: Hashable {
    let layer: Int
    let span: Int
    let head: Int
    let row: Int
  }
}

extension DecoderStack {
  /// One pass over `rows`, [layout.rows, C].
  func pass(
    _ rows: [Float], _ layout: SequenceLayout, positions: [Int], cache: KeyValueCache, stopsAtLastWeights: Bool = false,
    afterLayer: (Int) throws -> Void = { _ in }
  ) throws -> Pass {
    var pass = Pass(hidden: rows)
    let lock = NSLock()
    var weights: [Pass.Key: [Float]] = [:]
    try withoutActuallyEscaping(afterLayer) { afterLayer in
      var layers: [[Float]] = []
      let taps = Taps(
        hiddenState: { layer, rows in
          layers.append(rows.floats())
          try afterLayer(layer)
        },
        attentionWeights: { layer, span, head, row, shown in
          lock.withLock { weights[Pass.Key(layer: layer, span: span, head: head, row: row)] = Array(shown) }
        })
      try pass.hidden.withUnsafeMutableBufferPointer { hidden in
        guard let base = hidden.baseAddress else { return }
        try forward(
          base, layout: layout, angles: RandomModel.angles(positions), cache: cache, taps: taps,
          stopsAtLastWeights: stopsAtLastWeights)
      }
      pass.layers = layers
    }
    pass.weights = weights
    return pass
  }

  func freshCache(rows: Int) -> KeyValueCache {
    let cache = KeyValueCache()
    reserve(cache, rows: rows)
    return cache
  }
}

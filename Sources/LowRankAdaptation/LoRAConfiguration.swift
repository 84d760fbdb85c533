import Foundation
import HeadImpact
import Kernels
import Transformer
import VisionLanguage

/// Which linear layers get a low-rank update, of what rank and weight.
public struct LoRAConfiguration: Sendable, Equatable {
  public var targets: [Projection]
  /// Decoder layers, from 0.
  public var layers: [Int]
  /// r.
  public var loraRank: Int
  /// The update is weighted with loraAlpha / loraRank, or loraAlpha / √loraRank.
  public var loraAlpha: Double
  /// The share of an update's inputs that training drops.
  public var dropout: Double
  /// Of the first values of A.
  public var seed: UInt64
  /// rsLoRA (Kalajdzievski 2023, arXiv 2312.03732): the weight is loraAlpha / √loraRank.
  public var dividesByRoot: Bool
  /// DoRA: a magnitude of each output is trained too.
  public var hasMagnitudes: Bool

  public init(
    targets: [Projection] = [.query, .key, .value, .output], layers: [Int], loraRank: Int, loraAlpha: Double,
    dropout: Double = 0, seed: UInt64 = 0, dividesByRoot: Bool = false, hasMagnitudes: Bool = false
  ) {
    self.targets = targets
    self.layers = layers
    self.loraRank = loraRank
    self.loraAlpha = loraAlpha
    self.dropout = dropout
    self.seed = seed
    self.dividesByRoot = dividesByRoot
    self.hasMagnitudes = hasMagnitudes
  }

  /// A fresh adapter of a model; see `makeAdapter(for:on:)`.
  public func makeAdapter(for model: any VisionLanguageModel) throws -> LowRankAdapter {
    try makeAdapter(for: model.decoder.layers, on: model.backend)
  }

  /// A fresh adapter, which changes nothing yet: A uniform in ±1 / √in (Kaiming uniform with a = √5, as PEFT draws it),
  /// B zero. Each number of A depends on the seed, its linear layer and its place alone.
  ///
  /// - Throws: `LowRankAdaptationError` with everything that is wrong.
  public func makeAdapter(for decoderLayers: [TransformerLayer], on backend: any Backend) throws -> LowRankAdapter {
    let problems = problems(for: decoderLayers)
    guard problems.isEmpty else { throw LowRankAdaptationError(problems.joined(separator: "; ")) }
    let scaling = scaling(rank: loraRank)
    let modules = layers.flatMap { layer in targets.map { LoRATarget(layer: layer, projection: $0) } }
    let adapter = LowRankAdapter(
      modules.map { ($0, loraRank, scaling) }, hasMagnitudes: hasMagnitudes, for: decoderLayers, on: backend)
    adapter.withParameters { parameters in
      for update in adapter.updates { draw(update, into: &parameters) }
    }
    try adapter.resetMagnitudes()
    return adapter
  }

  /// The weight of an update.
  func scaling(rank: Int) -> Float {
    Float(loraAlpha / (dividesByRoot ? Double(rank).squareRoot() : Double(rank)))
  }

  private func draw(_ update: LoRADelta, into parameters: inout MutableSpan<Float>) {
    // Another stream than the sample order's, which may have the same seed.
    let seeds = SplitMix64(seed: seed ^ 0x4c6f_5241_2041_0000)
    let random = SplitMix64(seed: seeds[UInt64(update.target.number)])
    let bound = Float(1 / Double(update.inputs).squareRoot())
    for (element, place) in update.a.enumerated() {
      // 24 bits: what a float32 in -1..<1 holds exactly.
      let unit = Float(random[UInt64(element)] >> 40) * 0x1p-23 - 1
      parameters[place] = unit * bound
    }
  }

  private func problems(for decoderLayers: [TransformerLayer]) -> [String] {
    var problems: [String] = []
    if layers.isEmpty { problems.append("no layer is chosen; an adapter needs at least one") }
    if targets.isEmpty { problems.append("no target is chosen; an adapter needs at least one of \(Projection.names)") }
    for layer in layers where !decoderLayers.indices.contains(layer) {
      problems.append("there is no layer \(layer): the model has \(decoderLayers.count), numbered from 0")
    }
    for layer in repeated(layers) { problems.append("layer \(layer) is named more than once") }
    for target in repeated(targets) { problems.append("target \(target.rawValue) is named more than once") }
    if loraRank < 1 { problems.append("the rank is \(loraRank); it must be at least 1") }
    if !(loraAlpha.isFinite && loraAlpha > 0) { problems.append("alpha is \(loraAlpha); it must be above 0") }
    if !(dropout >= 0 && dropout < 1) { problems.append("dropout is \(dropout); it must be at least 0 and below 1") }
    if hasMagnitudes, dropout > 0 { problems.append("DoRA is trained without dropout; it is \(dropout)") }
    for layer in Set(layers).sorted() where decoderLayers.indices.contains(layer) {
      for target in Set(targets).sorted() {
        guard let linear = decoderLayers[layer][target] else {
          problems.append("layers.\(layer) has no \(target.module)")
          continue
        }
        guard loraRank > min(linear.inputs, linear.outputs) else { continue }
        problems.append(
          "the rank \(loraRank) is larger than a dimension of layers.\(layer).\(target.module), which is "
            + "[\(linear.outputs), \(linear.inputs)]; it must be at most \(min(linear.inputs, linear.outputs))")
      }
    }
    return problems
  }

  private func repeated<T: Hashable & Comparable>(_ values: [T]) -> [T] {
    Dictionary(grouping: values) { $0 }.filter { $0.value.count > 1 }.keys.sorted()
  }
}

extension LoRATarget {
  /// A number of its own for every target, whatever the model.
  var number: Int { layer * 8 + (Projection.allCases.firstIndex(of: projection) ?? 0) }

  /// The module below the language model: `layers.3.self_attn.q_proj`.
  var module: String { "layers.\(layer).\(projection.module)" }
}

extension Projection {
  static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

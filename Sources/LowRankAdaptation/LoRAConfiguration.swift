import HeadImpact
import Transformer

/// Which linear layers get an update, and of what size.
public struct LoRAConfiguration: Sendable, Equatable {
  /// Ascending.
  public let layers: [Int]
  /// In the order of the data's way through a layer.
  public let targets: [Projection]
  public let loraRank: Int
  public let loraAlpha: Double
  public let dropout: Double

  /// - Throws: `LowRankAdaptationError` where a number makes no sense by itself.
  public init(layers: [Int], targets: [Projection], loraRank: Int, loraAlpha: Double, dropout: Double = 0) throws {
    func refuse(_ text: String) -> LowRankAdaptationError { LowRankAdaptationError(text) }
    guard !layers.isEmpty else { throw refuse("no layer is named: an adapter needs at least one") }
    guard !targets.isEmpty else {
      throw refuse("no target is named: choose from \(Projection.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    guard Set(layers).count == layers.count else { throw refuse("a layer is named twice in \(layers)") }
    guard Set(targets).count == targets.count else {
      throw refuse("a target is named twice in \(targets.map(\.rawValue).joined(separator: ", "))")
    }
    guard loraRank >= 1 else { throw refuse("the rank is \(loraRank); it must be at least 1") }
    guard loraAlpha > 0, loraAlpha.isFinite else { throw refuse("alpha is \(loraAlpha); it must be a number above 0") }
    guard (0..<1).contains(dropout) else {
      throw refuse("the dropout is \(dropout); it must be at least 0 and less than 1")
    }
    self.layers = layers.sorted()
    self.targets = targets.sorted()
    self.loraRank = loraRank
    self.loraAlpha = loraAlpha
    self.dropout = dropout
  }

  /// A new adapter as PEFT begins one: A uniform within 1/sqrt(in) (Kaiming's with a = sqrt 5), B zero. Each number depends
  /// on the seed and its place alone.
  ///
  /// - Throws: `LowRankAdaptationError` where the layers have no such update.
  public func makeAdapter(for decoderLayers: [DecoderLayer], seed: UInt64) throws -> LowRankAdapter {
    for layer in layers where !decoderLayers.indices.contains(layer) {
      throw LowRankAdaptationError(
        "there is no layer \(layer): the model has \(decoderLayers.count), so 0 to \(decoderLayers.count - 1)")
    }
    for layer in layers {
      for target in targets {
        let linear = decoderLayers[layer][target]
        let most = min(linear.inputs, linear.outputs)
        guard loraRank <= most else {
          throw LowRankAdaptationError(
            "the rank is \(loraRank), but layer \(layer)'s \(target.module) is \(linear.outputs) x \(linear.inputs): "
              + "at most \(most) makes sense")
        }
      }
    }
    let shapes = layers.flatMap { layer in
      targets.map {
        (
          site: LowRankAdapter.Site(layer: layer, projection: $0), rank: loraRank,
          scaling: Float(loraAlpha / Double(loraRank))
        )
      }
    }
    let adapter = LowRankAdapter(shapes, for: decoderLayers)
    for update in adapter.updates {
      let place = UInt64(update.site.layer) * 16 + UInt64(Projection.allCases.firstIndex(of: update.site.projection) ?? 0)
      let random = SplitMix64(seed: seed &+ (place &+ 1) &* 0xA076_1D64_78BD_642F)
      let bound = 1 / Double(update.inputs).squareRoot()
      for (element, index) in update.a.enumerated() {
        let unit = Double(random[UInt64(element)] >> 11) * 0x1p-53
        adapter.parameters[index] = Float((2 * unit - 1) * bound)
      }
    }
    return adapter
  }
}

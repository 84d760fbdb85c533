import HeadImpact

/// The layers of two runs, brought to the same depths where one model has more of them.
///
/// Layer l of L lies at the relative depth (l + 0.5) / L. The layers of the shallower model are compared with the deeper
/// model's scores at their depths, interpolated linearly between layers; models of equal depth layer by layer.
struct LayerProfile {
  /// The relative depths that are compared: those of the shallower model's layers.
  let depths: [Double]

  init(_ firstLayers: Int, _ secondLayers: Int) { depths = Self.depths(min(firstLayers, secondLayers)) }

  static func depths(_ layers: Int) -> [Double] { (0..<layers).map { (Double($0) + 0.5) / Double(layers) } }

  /// A run's layer scores at `depths`.
  func callAsFunction(_ scores: [Double]) -> [Double] {
    guard scores.count != depths.count else { return scores }
    return depths.map { depth in
      let place = depth * Double(scores.count) - 0.5
      let below = min(max(Int(place.rounded(.down)), 0), scores.count - 1)
      let above = min(below + 1, scores.count - 1)
      let share = min(max(place - Double(below), 0), 1)
      return scores[below] + (scores[above] - scores[below]) * share
    }
  }
}

/// How the layers of two runs agree.
public struct LayerAgreement: Sendable, Equatable, Encodable {
  /// One layer of the shallower model.
  public struct Layer: Sendable, Equatable, Encodable {
    /// From 0, the input, to 1, the output.
    public let depth: Double
    /// The mean of the layer's heads in either run.
    public let first: Double
    public let second: Double
    /// second - first
    public let difference: Estimate
  }

  /// Whether the models have equally many layers; else the deeper one's are interpolated at the other's depths.
  public let isLayerByLayer: Bool
  /// Spearman's rank correlation of the layers' scores.
  public let spearman: Estimate
  /// Ascending by depth.
  public let layers: [Layer]

  init(_ first: ScoredHeads, _ second: ScoredHeads) {
    let profile = LayerProfile(first.layers, second.layers)
    func scores(_ run: ScoredHeads, _ values: [Double]) -> [Double] { profile(run.layerScores(values)) }
    let (a, b) = (scores(first, first.values), scores(second, second.values))
    let resampled = (0..<min(first.resamples, second.resamples)).map {
      (scores(first, first.replicate($0)), scores(second, second.replicate($0)))
    }
    isLayerByLayer = first.layers == second.layers
    let parts = (0..<min(first.scales.count, second.scales.count)).map {
      RankCorrelation.spearman(scores(first, first.part($0)), scores(second, second.part($0)))
    }
    spearman = Estimate(
      RankCorrelation.spearman(a, b), parts: parts, scales: ScoredHeads.scales(first, second), bounds: -1...1,
      isCorrelation: true)
    layers = profile.depths.enumerated().map { index, depth in
      Layer(
        depth: depth, first: a[index], second: b[index],
        difference: Estimate(b[index] - a[index], replicates: resampled.map { $0.1[index] - $0.0[index] }))
    }
  }
}

/// What the bootstrap says of each head and layer.
public struct BootstrapIntervals: Sendable, Equatable {
  /// In percent: the bounds of a 95% interval.
  public static let percentiles = [2.5, 97.5]

  public let resamples: Int
  public let layers: Int
  /// Heads per layer.
  public let heads: Int
  /// k of `layerTopFrequency`.
  public let topLayers: Int
  /// The interval of every head's HI. - Shape: [bound, measure, layer, head]
  public let interval: [Double]
  /// The interval of every layer's score. - Shape: [bound, measure, layer]
  public let layerInterval: [Double]
  /// The share of resamples in which the layer is among the `topLayers` best. - Shape: [measure, layer]
  public let layerTopFrequency: [Double]

  /// - Parameter replicates: HI of each resample; [resample] of [measure, layer, head].
  init(layers: Int, heads: Int, topLayers: Int, replicates: [[Double]]) {
    self.layers = layers
    self.heads = heads
    self.topLayers = topLayers
    resamples = replicates.count
    let measures = Measure.allCases.count
    // [resample] of [measure, layer]
    let layerScores = replicates.map { replicate in
      (0..<(measures * layers)).map { row in
        replicate[(row * heads)..<((row + 1) * heads)].reduce(0, +) / Double(heads)
      }
    }
    interval = Self.bounds(replicates)
    layerInterval = Self.bounds(layerScores)
    var timesOnTop = [Int](repeating: 0, count: measures * layers)
    for scores in layerScores {
      for measure in 0..<measures {
        let first = measure * layers
        for layer in highestFirst(Array(scores[first..<(first + layers)])).prefix(topLayers) {
          timesOnTop[first + layer] += 1
        }
      }
    }
    layerTopFrequency = timesOnTop.map { Double($0) / Double(replicates.count) }
  }

  /// - Parameter replicates: [resample] of [value]
  /// - Returns: [percentile, value]
  private static func bounds(_ replicates: [[Double]]) -> [Double] {
    let count = replicates.first?.count ?? 0
    var bounds = [Double](repeating: 0, count: percentiles.count * count)
    for value in 0..<count {
      let sorted = replicates.map { $0[value] }.sorted()
      for (i, percent) in percentiles.enumerated() { bounds[i * count + value] = percentile(percent, ofSorted: sorted) }
    }
    return bounds
  }
}

/// The value below which `percent` of the values lie, interpolated between two of them as numpy does by default.
/// - Parameter sorted: ascending, at least one.
public func percentile(_ percent: Double, ofSorted sorted: [Double]) -> Double {
  let position = percent / 100 * Double(sorted.count - 1)
  let below = Int(position)
  let above = min(below + 1, sorted.count - 1)
  let share = position - Double(below)
  let difference = sorted[above] - sorted[below]
  return share < 0.5 ? sorted[below] + difference * share : sorted[above] - difference * (1 - share)
}

/// The bootstrap's results for each head and layer.
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

  /// - Parameters:
  ///   - topLayers: at least 1, taken as `layers` where greater.
  ///   - replicates: HI of each resample. - Shape: [resample, measure, layer, head]
  ///   - parallel: spreads the work over threads.
  /// - Throws: `HeadImpactError` if the replicates aren't of that shape, or `topLayers` is below 1.
  public init(
    layers: Int, heads: Int, topLayers: Int, replicates: [Double],
    parallel: Bootstrap.ParallelLoop = { tasks, body in for task in 0..<tasks { body(task) } }
  ) throws {
    let rows = Measure.allCases.count * layers
    guard topLayers > 0, rows > 0, heads > 0, !replicates.isEmpty, replicates.count.isMultiple(of: rows * heads) else {
      throw HeadImpactError("\(replicates.count) replicates of \(layers) layers, \(heads) heads, top \(topLayers)")
    }
    self.layers = layers
    self.heads = heads
    self.topLayers = min(topLayers, layers)
    resamples = replicates.count / (rows * heads)
    // [resample, measure, layer]
    let layerScores = (0..<resamples * rows).map { row in
      replicates[row * heads..<(row + 1) * heads].reduce(0, +) / Double(heads)
    }
    interval = Self.bounds(replicates, of: rows * heads, parallel)
    layerInterval = Self.bounds(layerScores, of: rows, parallel)
    var timesOnTop = [Int](repeating: 0, count: rows)
    for first in stride(from: 0, to: layerScores.count, by: layers) {
      let measure = first / layers % Measure.allCases.count
      for layer in highestFirst(Array(layerScores[first..<first + layers])).prefix(self.topLayers) {
        timesOnTop[measure * layers + layer] += 1
      }
    }
    layerTopFrequency = timesOnTop.map { Double($0) / Double(replicates.count / (rows * heads)) }
  }

  /// - Parameter replicates: [resample, value]
  /// - Returns: [percentile, value]
  private static func bounds(
    _ replicates: [Double], of count: Int, _ parallel: Bootstrap.ParallelLoop
  ) -> [Double] {
    var bounds = [Double](repeating: 0, count: percentiles.count * count)
    bounds.withUnsafeMutableBufferPointer { bounds in
      // Values a task share cache lines of the replicates.
      parallel((count + 63) / 64) { task in
        for value in 64 * task..<min(64 * (task + 1), count) {
          let sorted = stride(from: value, to: replicates.count, by: count).map { replicates[$0] }.sorted()
          for (i, percent) in percentiles.enumerated() {
            bounds[i * count + value] = percentile(percent, ofSorted: sorted)
          }
        }
      }
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

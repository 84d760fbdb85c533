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

  /// The intervals of some rows: row r is layer `r % layers` of measure `r / layers`.
  public struct Part: Sendable, Equatable {
    public let rows: Range<Int>
    /// - Shape: [bound, row, head]
    public let interval: [Double]
    /// - Shape: [bound, row]
    public let layerInterval: [Double]
    /// The mean over a layer's heads, of each resample. - Shape: [resample, row]
    public let layerScores: [Double]

    /// - Parameters:
    ///   - replicates: HI of each resample. - Shape: [resample, row, head]
    ///   - parallel: spreads the work over threads.
    init(
      rows: Range<Int>, heads: Int, resamples: Int, replicates: [Double], parallel: Bootstrap.ParallelLoop
    ) {
      precondition(replicates.count == resamples * rows.count * heads)
      self.rows = rows
      layerScores = (0..<resamples * rows.count).map { row in
        replicates[row * heads..<(row + 1) * heads].reduce(0, +) / Double(heads)
      }
      interval = BootstrapIntervals.bounds(replicates, of: rows.count * heads, parallel)
      layerInterval = BootstrapIntervals.bounds(layerScores, of: rows.count, parallel)
    }

    /// A part that was made elsewhere, as another rank sent it.
    public init(rows: Range<Int>, interval: [Double], layerInterval: [Double], layerScores: [Double]) {
      (self.rows, self.interval, self.layerInterval) = (rows, interval, layerInterval)
      self.layerScores = layerScores
    }
  }

  /// - Parameters:
  ///   - topLayers: at least 1, taken as `layers` where greater.
  ///   - parts: which together have every row once, in any order.
  /// - Throws: `HeadImpactError` if they haven't, or `topLayers` is below 1.
  public init(layers: Int, heads: Int, topLayers: Int, parts: [Part]) throws {
    let rows = Measure.allCases.count * layers
    let parts = parts.filter { !$0.rows.isEmpty }.sorted { $0.rows.lowerBound < $1.rows.lowerBound }
    let resamples = (parts.first?.layerScores.count ?? 0) / max(1, parts.first?.rows.count ?? 0)
    let bounds = Self.percentiles.count
    guard topLayers > 0, heads > 0, resamples > 0, parts.flatMap(\.rows) == Array(0..<rows),
      parts.allSatisfy({ part in
        let count = part.rows.count
        return part.layerScores.count == resamples * count && part.layerInterval.count == bounds * count
          && part.interval.count == bounds * count * heads
      })
    else {
      throw HeadImpactError(
        "\(parts.count) parts of a bootstrap with the rows \(parts.map(\.rows)); expected \(rows) of \(heads) heads, "
          + "top \(topLayers)")
    }
    self.layers = layers
    self.heads = heads
    self.topLayers = min(topLayers, layers)
    self.resamples = resamples
    func joined(_ values: KeyPath<Part, [Double]>, _ outer: Int, _ perRow: Int) -> [Double] {
      (0..<outer).flatMap { index in
        parts.flatMap { part in
          let width = part.rows.count * perRow
          return part[keyPath: values][index * width..<(index + 1) * width]
        }
      }
    }
    interval = joined(\.interval, bounds, heads)
    layerInterval = joined(\.layerInterval, bounds, 1)
    let layerScores = joined(\.layerScores, resamples, 1)
    var timesOnTop = [Int](repeating: 0, count: rows)
    for first in stride(from: 0, to: layerScores.count, by: layers) {
      let measure = first / layers % Measure.allCases.count
      for layer in highestFirst(Array(layerScores[first..<first + layers])).prefix(self.topLayers) {
        timesOnTop[measure * layers + layer] += 1
      }
    }
    layerTopFrequency = timesOnTop.map { Double($0) / Double(resamples) }
  }

  /// - Parameter replicates: [resample, value]
  /// - Returns: [percentile, value]
  fileprivate static func bounds(
    _ replicates: [Double], of count: Int, _ parallel: Bootstrap.ParallelLoop
  ) -> [Double] {
    var bounds = [Double](repeating: 0, count: percentiles.count * count)
    bounds.withUnsafeMutableBufferPointer { bounds in
      // Values a task share cache lines of the replicates.
      parallel((count + 63) / 64) { task in
        for value in 64 * task..<min(64 * (task + 1), count) {
          let all = stride(from: value, to: replicates.count, by: count).map { replicates[$0] }
          // A resample may have no sample with a value.
          let sorted = all.filter { !$0.isNaN }.sorted()
          for (i, percent) in percentiles.enumerated() {
            bounds[i * count + value] = sorted.isEmpty ? .nan : percentile(percent, ofSorted: sorted)
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

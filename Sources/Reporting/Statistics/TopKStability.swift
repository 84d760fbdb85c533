import Foundation

/// How soon the best layers and heads settle: those of the first n samples against those of all.
struct TopKStability {
  struct Point: Sendable, Equatable {
    /// How many samples were counted.
    let samples: Int
    /// The share of the final best layers, and heads, that were among the best then.
    let layers: Double
    let heads: Double
  }

  let topLayers: Int
  let topHeads: Int
  private let layerCount: Int
  private let headCount: Int
  private let checkpoints: Set<Int>
  private var added = 0
  /// - Shape: [layer, head]
  private var sums: [Double]
  private var snapshots: [(samples: Int, layers: Set<Int>, heads: Set<Int>)] = []

  /// - Parameter samples: how many will be added.
  init(layers: Int, heads: Int, samples: Int, topLayers: Int, topHeads: Int) {
    precondition((1...layers).contains(topLayers) && (1...(layers * heads)).contains(topHeads))
    layerCount = layers
    headCount = heads
    self.topLayers = topLayers
    self.topHeads = topHeads
    checkpoints = Self.checkpoints(samples)
    sums = [Double](repeating: 0, count: layers * heads)
  }

  /// - Parameter values: one sample's, [layer, head].
  mutating func add(_ values: ArraySlice<Float>) {
    for (place, value) in values.enumerated() { sums[place] += Double(value) }
    added += 1
    guard checkpoints.contains(added) else { return }
    let layers = (0..<layerCount).map { layer in
      sums[(layer * headCount)..<((layer + 1) * headCount)].reduce(0, +)
    }
    snapshots.append((samples: added, layers: Self.best(topLayers, of: layers), heads: Self.best(topHeads, of: sums)))
  }

  /// At about eighty numbers of samples, closer together at the beginning.
  var points: [Point] {
    guard let last = snapshots.last else { return [] }
    return snapshots.map { snapshot in
      Point(
        samples: snapshot.samples, layers: Double(snapshot.layers.intersection(last.layers).count) / Double(topLayers),
        heads: Double(snapshot.heads.intersection(last.heads).count) / Double(topHeads))
    }
  }

  /// From how many samples on the overlap stays complete.
  static func settled(_ points: [Point], _ overlap: (Point) -> Double) -> Int? {
    guard let unsettled = points.lastIndex(where: { overlap($0) < 1 }) else { return points.first?.samples }
    return unsettled + 1 < points.count ? points[unsettled + 1].samples : nil
  }

  /// Whole numbers from 1 to `samples`, in equal ratios where they are too many.
  static func checkpoints(_ samples: Int) -> Set<Int> {
    let most = 80
    guard samples > most else { return Set(1...max(1, samples)) }
    return Set((0...most).map { Int(pow(Double(samples), Double($0) / Double(most)).rounded()) })
  }

  /// Ties go to the lower index, as in rankings.
  private static func best(_ count: Int, of values: [Double]) -> Set<Int> {
    Set(values.indices.sorted { values[$0] > values[$1] || (values[$0] == values[$1] && $0 < $1) }.prefix(count))
  }
}

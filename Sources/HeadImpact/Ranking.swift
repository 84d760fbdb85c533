/// Layers and heads in order of Head Impact: the highest first, among equals the lower index first.
public struct Ranking: Sendable, Equatable {
  public struct Layer: Sendable, Equatable {
    public let layer: Int
    /// The mean of the layer's heads.
    public let score: Double
  }

  public struct Head: Sendable, Equatable {
    public let layer: Int
    public let head: Int
    public let score: Double
  }

  public let ranked: RankedMeasure
  public let layers: [Layer]
  public let heads: [Head]

  /// - Throws: `HeadImpactError` if corrected values are asked for and the table has none.
  public init(_ table: HeadImpactTable, by ranked: RankedMeasure) throws {
    self.init(
      ranked, scores: try table.scores(ranked), layerScores: try table.layerScores(ranked), headsPerLayer: table.heads)
  }

  public init(_ table: HeadImpactTable, by measure: Measure = .matched) {
    let first = table.index(measure, layer: 0, head: 0)
    self.init(
      RankedMeasure(measure), scores: Array(table.hi[first..<(first + table.layers * table.heads)]),
      layerScores: (0..<table.layers).map { table.layerScore(measure, layer: $0) }, headsPerLayer: table.heads)
  }

  private init(_ ranked: RankedMeasure, scores: [Double], layerScores: [Double], headsPerLayer: Int) {
    self.ranked = ranked
    layers = highestFirst(layerScores).map { Layer(layer: $0, score: layerScores[$0]) }
    heads = highestFirst(scores).map {
      Head(layer: $0 / headsPerLayer, head: $0 % headsPerLayer, score: scores[$0])
    }
  }
}

/// The indices of `scores`, the highest score first; ties by lower index, NaN last.
func highestFirst(_ scores: [Double]) -> [Int] {
  scores.indices.sorted { a, b in
    let x = scores[a].isNaN ? -Double.infinity : scores[a]
    let y = scores[b].isNaN ? -Double.infinity : scores[b]
    return x > y || (x == y && a < b)
  }
}

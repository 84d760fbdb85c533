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

  public let measure: Measure
  public let layers: [Layer]
  public let heads: [Head]

  public init(_ table: HeadImpactTable, by measure: Measure = .matched) {
    self.measure = measure
    let scores = (0..<table.layers).map { table.layerScore(measure, layer: $0) }
    layers = highestFirst(scores).map { Layer(layer: $0, score: scores[$0]) }
    let first = table.index(measure, layer: 0, head: 0)
    let all = Array(table.hi[first..<(first + table.layers * table.heads)])
    heads = highestFirst(all).map { Head(layer: $0 / table.heads, head: $0 % table.heads, score: all[$0]) }
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

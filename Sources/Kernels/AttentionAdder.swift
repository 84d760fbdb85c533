/// Adds attention weights up as `AttentionSums` says.
struct AttentionAdder {
  private let sums: AttentionSums
  private let base: UnsafeMutablePointer<Float>
  /// Of each query, the index of its row; -1 without one.
  private let rows: [Int]

  init(_ sums: AttentionSums, queries: Int, heads: Int) {
    precondition(sums.sums.columns == sums.keys.reduce(0) { $0 + $1.count })
    self.sums = sums
    base = sums.sums.floatBase
    var rows = [Int](repeating: -1, count: queries)
    for (index, row) in sums.rows.enumerated() {
      precondition(row.row >= 0 && row.row + heads <= sums.sums.rows)
      rows[row.query] = index
    }
    self.rows = rows
  }

  /// Nobody else writes to this head's sums: their rows belong to one task.
  func add(head: Int, row: Int, _ positions: Range<Int>, _ weights: UnsafePointer<Float>) {
    guard rows[row] >= 0 else { return }
    let entry = sums.rows[rows[row]]
    var scale: Float = 1
    if sums.normalises {
      var total: Float = 0
      for range in sums.keys {
        for position in range.clamped(to: positions) { total += weights[position - positions.lowerBound] }
      }
      scale = total > 0 ? 1 / total : 0
    }
    scale /= entry.divisor
    var target = base + (entry.row + head) * sums.sums.columns
    for range in sums.keys {
      for position in range.clamped(to: positions) {
        target[position - range.lowerBound] += weights[position - positions.lowerBound] * scale
      }
      target += range.count
    }
  }
}

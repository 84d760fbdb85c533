import CVectorMath

/// Matrix products in float32, on weights of any element type.
///
/// Weights of two bytes are widened a panel at a time, small enough to stay in the cache of the core that
/// multiplies with it: the wide copy of a layer, let alone of the model, never exists.
final class Float32Product {
  private static let mostPanelRows = 256
  private static let panelDepth = 1024
  private let team: ThreadTeam
  private var panels: AlignedBuffer<Float>

  init(team: ThreadTeam) {
    self.team = team
    panels = AlignedBuffer(count: team.count * Self.mostPanelRows * Self.panelDepth)
  }

  /// destination (+)= source · weightsᵀ.
  ///
  /// - Shape: source [rows, depth], weights [columns, depth], destination [rows, columns].
  func multiply(
    _ source: UnsafePointer<Float>, _ weights: Tensor, into destination: UnsafeMutablePointer<Float>,
    rows: Int, accumulate: Bool
  ) throws(OneDNNError) {
    let columns = weights.rows
    let depth = weights.columns
    let panels = panels.base
    let panelRows = Self.panelRows(of: columns)
    let panelCount = (columns + panelRows - 1) / panelRows
    try team.forEach(panelCount, work: rows * columns * depth / 8) { panel, thread throws(OneDNNError) in
      let first = panel * panelRows
      let width = min(panelRows, columns - first)
      let wide = panels + thread * Self.mostPanelRows * Self.panelDepth
      for start in stride(from: 0, to: depth, by: Self.panelDepth) {
        let length = min(Self.panelDepth, depth - start)
        let operand = weights.floats(first..<first + width, from: start, count: length, scratch: wide)
        try multiplySerially(
          source + start, stride: depth, operand.base, stride: operand.stride, isTransposed: true,
          into: destination + first, stride: columns, rows: rows, columns: width, depth: length,
          accumulate: accumulate || start > 0)
      }
    }
  }

  /// destination (+)= source · weights: the backward pass of a linear layer.
  ///
  /// - Shape: source [rows, weights.rows], weights [weights.rows, columns], destination [rows, columns].
  func multiplyBackward(
    _ source: UnsafePointer<Float>, _ weights: Tensor, into destination: UnsafeMutablePointer<Float>,
    rows: Int, accumulate: Bool
  ) throws(OneDNNError) {
    let columns = weights.columns
    let depth = weights.rows
    let panels = panels.base
    let panelColumns = Self.panelRows(of: columns)
    let panelCount = (columns + panelColumns - 1) / panelColumns
    try team.forEach(panelCount, work: rows * columns * depth / 8) { panel, thread throws(OneDNNError) in
      let first = panel * panelColumns
      let width = min(panelColumns, columns - first)
      let wide = panels + thread * Self.mostPanelRows * Self.panelDepth
      for start in stride(from: 0, to: depth, by: Self.panelDepth) {
        let length = min(Self.panelDepth, depth - start)
        let operand = weights.floats(start..<start + length, from: first, count: width, scratch: wide)
        try multiplySerially(
          source + start, stride: depth, operand.base, stride: operand.stride, isTransposed: false,
          into: destination + first, stride: columns, rows: rows, columns: width, depth: length,
          accumulate: accumulate || start > 0)
      }
    }
  }

  /// Rows of a weight's panels: a multiple of 16, and about as many panels of one size as 2, 4 or 8 threads share evenly.
  /// It depends on the weight alone, as every rounding does on it.
  private static func panelRows(of rows: Int) -> Int {
    let panels = (rows + 8 * mostPanelRows - 1) / (8 * mostPanelRows) * 8
    return max(16, (rows + 16 * panels - 1) / (16 * panels) * 16)
  }
}

extension Tensor {
  /// A panel in float32: where it lies in the file, or in scratch, widened or moved to an address that suits floats.
  ///
  /// - Shape: [rows.count, count], with the distance between its rows.
  fileprivate func floats(
    _ rows: Range<Int>, from column: Int, count: Int, scratch: UnsafeMutablePointer<Float>
  ) -> (base: UnsafePointer<Float>, stride: Int) {
    if elementType == .f32, isAligned {
      return (base.assumingMemoryBound(to: Float.self) + rows.lowerBound * columns + column, columns)
    }
    for (place, row) in rows.enumerated() {
      copyRow(row, from: column, count: count, into: scratch + place * count)
    }
    return (UnsafePointer(scratch), count)
  }
}

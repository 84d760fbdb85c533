import Kernels

/// Multimodal rotary positions and angles (transformers: `get_rope_index`, `Qwen2VLRotaryEmbedding`).
enum Qwen2VLPositions {
  /// Temporal, vertical and horizontal position of each token. Text counts on by one; the image's tokens share the
  /// temporal position and take their row and column; text continues behind the longer side of the grid.
  ///
  /// - Shape: 3 × [T].
  static func positions(of sequence: TokenSequence) -> [[Int32]] {
    let tokens = sequence.ids.count
    var positions = [[Int32]](repeating: [Int32](repeating: 0, count: tokens), count: 3)
    let image = sequence.image.ranges.first ?? 0..<0
    guard case .grid(let rows, let columns) = sequence.positions, sequence.image.ranges.count <= 1,
      image.isEmpty || image.count == rows * columns
    else { preconditionFailure("Qwen2-VL's image tokens are one grid") }
    for token in 0..<tokens {
      if image.contains(token) {
        let cell = token - image.lowerBound
        positions[0][token] = Int32(image.lowerBound)
        positions[1][token] = Int32(image.lowerBound + cell / columns)
        positions[2][token] = Int32(image.lowerBound + cell % columns)
      } else {
        let position = token < image.lowerBound ? token : token - image.count + max(rows, columns)
        for axis in 0..<3 { positions[axis][token] = Int32(position) }
      }
    }
    return positions
  }

  /// The decoder's angles: frequency i turns with the axis whose section holds i.
  static func decoderAngles(_ positions: [[Int32]], sections: [Int], theta: Double) -> RotaryAngles {
    let half = sections.reduce(0, +)
    let axes = sections.enumerated().flatMap { axis, count in [Int](repeating: axis, count: count) }
    let frequencies = RotaryAngles.inverseFrequencies(theta: theta, dimensions: 2 * half)
    let rows = positions[0].count
    return RotaryAngles(rows: rows, half: half) { row, i in Float(positions[axes[i]][row]) * frequencies[i] }
  }

  /// The vision tower's angles: the first half of the frequencies turns with the patch's row, the second with its
  /// column. Patches come in merge blocks: block by block, and row by row inside a block.
  static func visionAngles(_ grid: PatchGrid, mergeSize: Int, headDim: Int) -> RotaryAngles {
    let quarter = headDim / 4
    let frequencies = RotaryAngles.inverseFrequencies(theta: 10_000, dimensions: headDim / 2)
    let patches = grid.order(inBlocksOf: mergeSize)
    return RotaryAngles(rows: patches.count, half: 2 * quarter) { patch, i in
      i < quarter
        ? Float(patches[patch].row) * frequencies[i] : Float(patches[patch].column) * frequencies[i - quarter]
    }
  }
}

/// Multimodal rotary positions (transformers: `get_rope_index`).
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
}

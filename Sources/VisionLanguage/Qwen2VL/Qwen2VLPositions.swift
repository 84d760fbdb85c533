import Foundation
import Kernels

/// Multimodal rotary positions and angles (transformers: `get_rope_index`, `Qwen2VLRotaryEmbedding`).
enum Qwen2VLPositions {
  /// Temporal, vertical and horizontal position of each token. Text counts on by one; the image's tokens share the
  /// temporal position and take their row and column; text goes on behind the longer side of the grid.
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
    let frequencies = inverseFrequencies(theta: theta, dimensions: 2 * half)
    let rows = positions[0].count
    return angles(rows: rows, half: half) { row, i in Float(positions[axes[i]][row]) * frequencies[i] }
  }

  /// The vision tower's angles: the first half of the frequencies turns with the patch's row, the second with its
  /// column. Patches come in merge blocks: block by block, and row by row inside a block.
  static func visionAngles(gridHeight: Int, gridWidth: Int, mergeSize: Int, headDim: Int) -> RotaryAngles {
    let quarter = headDim / 4
    let frequencies = inverseFrequencies(theta: 10_000, dimensions: headDim / 2)
    var patchRows: [Float] = []
    var patchColumns: [Float] = []
    for blockRow in 0..<gridHeight / mergeSize {
      for blockColumn in 0..<gridWidth / mergeSize {
        for row in 0..<mergeSize {
          for column in 0..<mergeSize {
            patchRows.append(Float(blockRow * mergeSize + row))
            patchColumns.append(Float(blockColumn * mergeSize + column))
          }
        }
      }
    }
    return angles(rows: patchRows.count, half: 2 * quarter) { row, i in
      i < quarter ? patchRows[row] * frequencies[i] : patchColumns[row] * frequencies[i - quarter]
    }
  }

  /// 1 / theta^(2i / dimensions), in float32 as the published code computes it.
  private static func inverseFrequencies(theta: Double, dimensions: Int) -> [Float] {
    (0..<dimensions / 2).map { 1 / Float(pow(theta, Double(Float(2 * $0) / Float(dimensions)))) }
  }

  private static func angles(rows: Int, half: Int, _ angle: (_ row: Int, _ i: Int) -> Float) -> RotaryAngles {
    var cosines: [Float] = []
    var sines: [Float] = []
    cosines.reserveCapacity(rows * half)
    sines.reserveCapacity(rows * half)
    for row in 0..<rows {
      for i in 0..<half {
        let value = angle(row, i)
        cosines.append(cos(value))
        sines.append(sin(value))
      }
    }
    return RotaryAngles(cosines: cosines, sines: sines, half: half)
  }
}

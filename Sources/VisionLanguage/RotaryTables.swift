import Foundation
import Kernels

/// Which of the temporal, vertical and horizontal positions turns each frequency of a multimodal rotary embedding.
///
/// Sections hold how many frequencies turn with each of the three; they add up to half of the head dimension.
enum RotarySections: Sendable, Equatable {
  /// Those of one position stand together (Qwen2-VL, Qwen2.5-VL).
  case contiguous([Int])
  /// Frequency i turns with position i mod 3 up to the end of its section, then with the temporal one (Qwen3-VL).
  case interleaved([Int])

  /// The position of each frequency: 0 temporal, 1 vertical, 2 horizontal.
  ///
  /// - Shape: [D / 2].
  var axes: [Int] {
    switch self {
    case .contiguous(let sections):
      sections.enumerated().flatMap { axis, count in [Int](repeating: axis, count: count) }
    case .interleaved(let sections):
      (0..<sections.reduce(0, +)).map { i in i % 3 > 0 && i < 3 * sections[i % 3] ? i % 3 : 0 }
    }
  }
}

extension RotaryAngles {
  /// Angles of positions that count on by one: plain rotary embedding (Su et al. 2021, arXiv 2104.09864).
  ///
  /// - Parameter factor: what frequencies are divided by (`rope_type` linear).
  static func sequential(_ positions: Range<Int>, headDim: Int, theta: Double, factor: Float = 1) -> RotaryAngles {
    let frequencies = inverseFrequencies(theta: theta, dimensions: headDim).map { $0 / factor }
    return RotaryAngles(rows: positions.count, half: headDim / 2) { row, i in
      Float(positions.lowerBound + row) * frequencies[i]
    }
  }

  /// Angles of temporal, vertical and horizontal positions (Wang et al. 2024, arXiv 2409.12191).
  ///
  /// - Shape: positions 3 × [T].
  static func multimodal(_ positions: [[Int32]], _ sections: RotarySections, theta: Double) -> RotaryAngles {
    let axes = sections.axes
    let frequencies = inverseFrequencies(theta: theta, dimensions: 2 * axes.count)
    return RotaryAngles(rows: positions[0].count, half: axes.count) { row, i in
      Float(positions[axes[i]][row]) * frequencies[i]
    }
  }

  /// Angles of patches in a grid: the first half of the frequencies turns with the patch's row, the second with its column.
  ///
  /// - Shape: [patches.count, D / 2].
  static func grid(_ patches: [(row: Int, column: Int)], headDim: Int, theta: Double) -> RotaryAngles {
    let quarter = headDim / 4
    let frequencies = inverseFrequencies(theta: theta, dimensions: headDim / 2)
    return RotaryAngles(rows: patches.count, half: 2 * quarter) { patch, i in
      i < quarter
        ? Float(patches[patch].row) * frequencies[i] : Float(patches[patch].column) * frequencies[i - quarter]
    }
  }

  /// 1 / theta^(2i / dimensions), in float32 as the published code computes it.
  static func inverseFrequencies(theta: Double, dimensions: Int) -> [Float] {
    (0..<dimensions / 2).map { 1 / Float(pow(theta, Double(Float(2 * $0) / Float(dimensions)))) }
  }

  /// - Parameter angle: of a row and a frequency.
  init(rows: Int, half: Int, _ angle: (_ row: Int, _ i: Int) -> Float) {
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
    self.init(cosines: cosines, sines: sines, half: half)
  }
}

import Foundation
import Kernels

extension RotaryAngles {
  /// Angles of positions that count on by one: plain rotary embedding (Su et al. 2021, arXiv 2104.09864).
  static func sequential(_ positions: Range<Int>, headDim: Int, theta: Double) -> RotaryAngles {
    let frequencies = inverseFrequencies(theta: theta, dimensions: headDim)
    return RotaryAngles(rows: positions.count, half: headDim / 2) { row, i in
      Float(positions.lowerBound + row) * frequencies[i]
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

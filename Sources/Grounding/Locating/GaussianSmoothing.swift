import Foundation
import HeadImpact

/// A Gaussian filter over a grid of visual tokens.
///
/// The weight of distance d is exp(-d² / 2σ²), for d up to 4σ (rounded), in both directions one after the other. At the
/// border the weights that lie inside are divided by their own sum, so that an even map stays even.
struct GaussianSmoothing {
  /// The weight of each distance, from 0.
  private let weights: [Double]

  /// - Parameter sigma: in cells; 0 changes nothing.
  init(sigma: Double) {
    precondition(sigma >= 0)
    let radius = Int((4 * sigma).rounded())
    weights = (0...radius).map { $0 == 0 ? 1 : exp(-Double($0 * $0) / (2 * sigma * sigma)) }
  }

  /// - Parameter values: [rows, cols]
  func callAsFunction(_ values: [Double], _ grid: ViewGrid) -> [Double] {
    precondition(values.count == grid.rows * grid.cols)
    guard weights.count > 1 else { return values }
    let along = filtered(values, lines: grid.rows, lineStep: grid.cols, length: grid.cols, step: 1)
    return filtered(along, lines: grid.cols, lineStep: 1, length: grid.rows, step: grid.cols)
  }

  private func filtered(_ values: [Double], lines: Int, lineStep: Int, length: Int, step: Int) -> [Double] {
    var result = values
    let radius = weights.count - 1
    for line in 0..<lines {
      for place in 0..<length {
        var (sum, weight) = (0.0, 0.0)
        for other in max(0, place - radius)...min(length - 1, place + radius) {
          sum += weights[abs(other - place)] * values[line * lineStep + other * step]
          weight += weights[abs(other - place)]
        }
        result[line * lineStep + place * step] = sum / weight
      }
    }
    return result
  }
}

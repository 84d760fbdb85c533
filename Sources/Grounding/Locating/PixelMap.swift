import HeadImpact

/// The attention of chosen heads on each pixel of the original image.
///
/// A pixel belongs to the token in whose cell its centre lies, and has that token's score divided by the cell's area; where
/// several views show it, the sum over their tokens. A pixel that no token stands for has no value.
struct PixelMap {
  let width: Int
  let height: Int
  /// Row by row; 0 where there is no value. - Units: attention per pixel.
  private(set) var values: [Double]
  private(set) var isCovered: [Bool]

  /// - Parameters:
  ///   - scores: of the visual tokens.
  ///   - cells: of each. - Units: pixels of the image.
  init(scores: [Double], cells: [Cell], width: Int, height: Int) {
    precondition(scores.count == cells.count)
    self.width = width
    self.height = height
    values = [Double](repeating: 0, count: width * height)
    isCovered = [Bool](repeating: false, count: width * height)
    for (score, cell) in zip(scores, cells) {
      let density = score / ((cell.x1 - cell.x0) * (cell.y1 - cell.y0))
      let columns = Self.centres(from: cell.x0, to: cell.x1, below: width)
      for row in Self.centres(from: cell.y0, to: cell.y1, below: height) {
        for pixel in row * width + columns.lowerBound..<row * width + columns.upperBound {
          values[pixel] += density
          isCovered[pixel] = true
        }
      }
    }
  }

  /// The pixels in 0..<count whose centres, i + 0.5, lie in [start, end).
  static func centres(from start: Double, to end: Double, below count: Int) -> Range<Int> {
    func first(_ edge: Double) -> Int { Int(min(max((edge - 0.5).rounded(.up), 0), Double(count))) }
    let lower = first(start)
    return lower..<max(lower, first(end))
  }

  /// The values of the pixels that have one, row by row.
  var coveredValues: [Double] { zip(values, isCovered).filter(\.1).map(\.0) }
}

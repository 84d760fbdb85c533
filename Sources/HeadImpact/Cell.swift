/// The rectangle of the ORIGINAL image that one visual token represents.
///
/// - Units: pixels, fractional; x to the right, y down, from the image's upper left corner; [x0, x1) by [y0, y1).
public struct Cell: Sendable, Equatable {
  public var x0: Double
  public var y0: Double
  public var x1: Double
  public var y1: Double

  public init(x0: Double, y0: Double, x1: Double, y1: Double) {
    self.x0 = x0
    self.y0 = y0
    self.x1 = x1
    self.y1 = y1
  }
}

/// The grid of cells of one view of the image (the whole image, a tile, a thumbnail): `rows * cols` visual tokens,
/// row-major.
public struct ViewGrid: Sendable, Equatable, Codable {
  public var rows: Int
  public var cols: Int

  public init(rows: Int, cols: Int) {
    self.rows = rows
    self.cols = cols
  }
}

extension Cell {
  /// The cells of a grid that divides a rectangle of the image evenly, row by row.
  ///
  /// - Units: pixels.
  public static func grid(_ grid: ViewGrid, x: (start: Double, end: Double), y: (start: Double, end: Double)) -> [Cell]
  {
    func edge(_ index: Int, of count: Int, _ range: (start: Double, end: Double)) -> Double {
      range.start + (range.end - range.start) * (Double(index) / Double(count))
    }
    return (0..<grid.rows).flatMap { i in
      (0..<grid.cols).map { j in
        Cell(
          x0: edge(j, of: grid.cols, x), y0: edge(i, of: grid.rows, y), x1: edge(j + 1, of: grid.cols, x),
          y1: edge(i + 1, of: grid.rows, y))
      }
    }
  }
}

/// A grid of visual tokens that a model is shown of an image, and what of the image it shows.
public struct ImageView: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    /// A part of the image at its full resolution, or all such parts as one grid.
    case tile
    /// The whole image.
    case wholeImage = "global"
  }

  public let kind: Kind
  public let grid: ViewGrid
  /// The rectangle of the image that the grid's cells are in.
  public let box: Cell

  public init(kind: Kind, grid: ViewGrid, box: Cell) {
    self.kind = kind
    self.grid = grid
    self.box = box
  }

  /// Visual tokens.
  public var tokens: Int { grid.rows * grid.cols }

  /// The box cut evenly, row by row: the tokens' own cells, but for pixels at the border of a tile that no token sees.
  public var cells: [Cell] {
    func edges(_ from: Double, _ to: Double, _ count: Int) -> [Double] {
      (0...count).map { from + (to - from) * (Double($0) / Double(count)) }
    }
    let (x, y) = (edges(box.x0, box.x1, grid.cols), edges(box.y0, box.y1, grid.rows))
    return (0..<grid.rows).flatMap { row in
      (0..<grid.cols).map { Cell(x0: x[$0], y0: y[row], x1: x[$0 + 1], y1: y[row + 1]) }
    }
  }
}

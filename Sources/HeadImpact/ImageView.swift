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
  public var cells: [Cell] { Cell.grid(grid, x: (box.x0, box.x1), y: (box.y0, box.y1)) }
}

import HeadImpact
import IO

/// What a family makes of an image, known from its size alone: everything that tokens, positions, masks and costs need
/// to know of it.
///
/// An *image token* is a row of the image's features in the decoder. A *visual token* is one that stands for a
/// rectangle of the image: [VIS] of Head Impact. Families have image tokens that stand for no pixels, such as the
/// vectors between the rows of LLaVA-NeXT.
public struct VisualLayout: Sendable, Equatable {
  /// A grid of visual tokens: the whole image, or a tile of it.
  public struct View: Sendable, Equatable {
    public typealias Kind = ImageView.Kind

    public let kind: Kind
    public let grid: ViewGrid
    /// Its tokens among the visual tokens, row by row.
    public let tokens: Range<Int>
  }

  /// In the order of their tokens; together they hold every visual token.
  public let views: [View]
  /// For each image token, the rectangle of the original image that it stands for; nil if it stands for none.
  public let cells: [Cell?]
  /// The text that takes the image placeholder's place in a chat, with a token of the family for each image token.
  public let text: String
  /// Rows that the vision tower computes.
  public let patches: Int
  /// How many of them a row sees.
  public let patchesInView: Int
  /// How the positions of the image tokens are counted.
  public let positions: VisualPositions
  /// The cells of the visual tokens. - Shape: [V].
  public let visualCells: [Cell]

  /// - Parameters:
  ///   - views: of the cells that are not nil, in their order.
  ///   - cells: one for each image token.
  ///   - patchesInView: nil where the views are all that the tower sees, and as large.
  public init(
    views: [(kind: View.Kind, grid: ViewGrid)], cells: [Cell?], text: String, patches: Int,
    patchesInView: Int? = nil, positions: VisualPositions = .sequential
  ) {
    var placed: [View] = []
    for view in views {
      let start = placed.last?.tokens.upperBound ?? 0
      placed.append(
        View(kind: view.kind, grid: view.grid, tokens: start..<start + view.grid.rows * view.grid.cols))
    }
    self.views = placed
    self.cells = cells
    self.text = text
    self.patches = patches
    self.patchesInView = patchesInView ?? patches / max(1, views.count)
    self.positions = positions
    visualCells = cells.compactMap { $0 }
    precondition(visualCells.count == placed.last?.tokens.upperBound ?? 0, "the views do not hold every cell")
  }

  /// Rows of the image's features.
  public var imageTokens: Int { cells.count }

  /// V.
  public var visualTokens: Int { visualCells.count }

  /// The grid of each view, in order.
  public var grids: [ViewGrid] { views.map(\.grid) }

  /// Each view with the rectangle of the image that its cells are in, in order.
  public var imageViews: [ImageView] {
    views.map { view in
      let cells = visualCells[view.tokens]
      return ImageView(
        kind: view.kind, grid: view.grid,
        box: Cell(
          x0: cells.map(\.x0).min() ?? 0, y0: cells.map(\.y0).min() ?? 0, x1: cells.map(\.x1).max() ?? 0,
          y1: cells.map(\.y1).max() ?? 0))
    }
  }

  /// The same with the visual tokens of some views only: the others' tokens stay image tokens, without a cell.
  ///
  /// - Throws: `NoSuchView` if the image has no view of that kind.
  public func selecting(_ selection: HeadImpactOptions.Views) throws -> VisualLayout {
    guard let kind = selection.kind else { return self }
    let chosen = views.filter { $0.kind == kind }
    guard !chosen.isEmpty else { throw NoSuchView(selection: selection) }
    guard chosen.count < views.count else { return self }
    var isChosen = [Bool](repeating: false, count: visualTokens)
    for view in chosen { for token in view.tokens { isChosen[token] = true } }
    var token = 0
    let cells = cells.map { cell -> Cell? in
      guard let cell else { return nil }
      defer { token += 1 }
      return isChosen[token] ? cell : nil
    }
    return VisualLayout(
      views: chosen.map { ($0.kind, $0.grid) }, cells: cells, text: text, patches: patches,
      patchesInView: patchesInView, positions: positions)
  }
}

/// How the rotary positions of the image tokens are counted.
public enum VisualPositions: Sendable, Equatable {
  /// As those of text: one after another.
  case sequential
  /// By their row and column in one grid (Qwen's multimodal rotary embedding).
  case grid(rows: Int, columns: Int)
}

extension HeadImpactOptions.Views {
  /// nil for every view.
  fileprivate var kind: VisualLayout.View.Kind? {
    switch self {
    case .all: nil
    case .tiles: .tile
    case .global: .wholeImage
    }
  }

  /// - Throws: `HeadImpactError` if no image has such views for this model.
  public func check(_ model: any VisionLanguageModel) throws {
    guard self == .all || model.processor.viewKinds == Set(VisualLayout.View.Kind.allCases) else {
      throw HeadImpactError(
        "--views is \(rawValue); it must be all: \(model.modelType) shows the model each image only once, without tiles"
      )
    }
  }
}

/// An image that has no view of the kind that `--views` asks for.
public struct NoSuchView: ContentFault, CustomStringConvertible, Equatable {
  let selection: HeadImpactOptions.Views

  public var description: String {
    selection == .tiles
      ? "the image is too small to be split into tiles, and --views is tiles"
      : "the image is not shown as a whole, and --views is \(selection.rawValue)"
  }
}

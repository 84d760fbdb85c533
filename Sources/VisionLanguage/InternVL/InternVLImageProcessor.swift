import HeadImpact
import ImageInput

/// InternVL's image processing, as `GotOcr2ImageProcessorPil` of Hugging Face transformers 5: the image stretched to the grid of
/// tiles nearest to its shape; the tiles row by row, then the whole image as one more tile.
struct InternVLImageProcessor: ImageProcessor, Equatable {
  /// The text of an image token.
  static let imageToken = "<IMG_CONTEXT>"
  /// Round the tokens of an image.
  static let markers = (start: "<img>", end: "</img>")
  /// Twice the side of a visual token at the published sizes.
  let leastSide = 56

  /// The side of a tile. - Units: pixels.
  let tileSize: Int
  /// Tiles across and down that an image may be cut into, in the order in which they are tried.
  let grids: [TileGrid]
  let filter: ResamplingFilter
  let resizing: Resizing
  let normalization: PixelNormalization
  /// The side of a patch. - Units: pixels.
  let patchSize: Int
  /// Visual tokens along the side of a view.
  let tokensASide: Int

  struct TileGrid: Equatable {
    let columns: Int
    let rows: Int
    var count: Int { columns * rows }
  }

  var viewKinds: Set<VisualLayout.View.Kind> {
    grids.contains { $0.count > 1 } ? [.tile, .wholeImage] : [.wholeImage]
  }

  private static let types = ["", "Fast", "Pil"].map { "GotOcr2ImageProcessor" + $0 }

  /// - Parameter file: preprocessor_config.json; what it leaves out is the processor's default, as in transformers.
  /// - Throws: `ConfigurationError` naming the key whose value is of the wrong type, impossible or unsupported.
  init(_ file: ConfigurationFile, for model: InternVLConfiguration, resizing: Resizing) throws {
    self.resizing = resizing
    try file.refuseNull(["resample", "size", "min_patches", "max_patches", "do_resize"])
    try DecoderConfiguration.check(
      file, "image_processor_type", isOneOf: Self.types, family: InternVLConfiguration.family)
    filter = try file.filter(default: .bicubic)
    tileSize = try Self.tileSize(file, imageSize: model.vision.imageSize)
    // InternVLProcessor asks for tiles whatever the file says: published ones say false.
    _ = try file.boolean("crop_to_patches", default: true)
    let most = try file.integer("max_patches", in: 1...1000, default: 12)
    grids = Self.grids(of: try file.integer("min_patches", in: 1...1000, default: 1), upTo: most)
    guard try file.boolean("do_resize", default: true) || most > 1 else {
      throw file.wrong("do_resize", "is false and max_patches 1: the tower takes images of \(tileSize) pixels a side")
    }
    normalization = try PixelNormalization(
      file, mean: [0.48145466, 0.4578275, 0.40821073], deviation: [0.26862954, 0.26130258, 0.27577711])
    patchSize = model.vision.patchSize
    tokensASide = model.tokensASide
  }

  /// - Throws: unless tiles are square and as large as the tower takes them: of others it would sample its positions.
  private static func tileSize(_ file: ConfigurationFile, imageSize: Int) throws -> Int {
    let size = try file.object("size")
    let sides = try ["height", "width"].map { key in
      try size.map { try $0.integer(key, in: 1...100_000) } ?? 384
    }
    guard sides[0] == sides[1], sides[0] == imageSize else {
      throw file.wrong(
        "size",
        "is \(sides[0]) x \(sides[1]) (height x width); it must be \(imageSize) x \(imageSize), as config.json's "
          + "vision_config.image_size")
    }
    return imageSize
  }

  /// All grids of so many tiles, by their number; of as many, those of fewer columns first.
  private static func grids(of least: Int, upTo most: Int) -> [TileGrid] {
    guard most > 1, least <= most else { return [TileGrid(columns: 1, rows: 1)] }
    return (least...most).flatMap { count in
      (1...count).filter { count.isMultiple(of: $0) }.map { TileGrid(columns: $0, rows: count / $0) }
    }
  }

  /// The grid of tiles nearest to an image's shape. Of grids as near as each other, the larger where the image has more than
  /// half of its pixels (`get_optimal_tiled_canvas`).
  ///
  /// - Throws: `ImageError` for a size that no image may have.
  func grid(width: Int, height: Int) throws -> TileGrid {
    try checkImageSize(width: width, height: height)
    let aspect = Double(width) / Double(height)
    let area = Double(width) * Double(height)
    var (best, least) = (TileGrid(columns: 1, rows: 1), Double.infinity)
    for grid in grids {
      let difference = abs(aspect - Double(grid.columns) / Double(grid.rows))
      if difference < least {
        (best, least) = (grid, difference)
      } else if difference == least, area > 0.5 * Double(tileSize * tileSize * grid.count) {
        best = grid
      }
    }
    return best
  }

  func layout(width: Int, height: Int) throws -> VisualLayout {
    let tiles = try grid(width: width, height: height)
    let grid = ViewGrid(rows: tokensASide, cols: tokensASide)
    func part(_ index: Int, of count: Int, _ side: Int) -> (start: Double, end: Double) {
      (Double(index * side) / Double(count), Double((index + 1) * side) / Double(count))
    }
    var cells: [Cell] = []
    if tiles.count > 1 {
      for row in 0..<tiles.rows {
        for column in 0..<tiles.columns {
          cells += Cell.grid(
            grid, x: part(column, of: tiles.columns, width), y: part(row, of: tiles.rows, height))
        }
      }
    }
    cells += Cell.grid(grid, x: (0, Double(width)), y: (0, Double(height)))
    let views = cells.count / (grid.rows * grid.cols)
    let patches = tileSize / patchSize
    return VisualLayout(
      views: [(VisualLayout.View.Kind, ViewGrid)](repeating: (.tile, grid), count: views - 1) + [(.wholeImage, grid)],
      cells: cells,
      text: Self.markers.start + String(repeating: Self.imageToken, count: cells.count) + Self.markers.end,
      // Each view has a class token before its patches.
      patches: views * (1 + patches * patches))
  }

  /// The views of an image, each of one tile's size.
  ///
  /// - Throws: `ImageError` if the image can't be processed.
  func views(of image: RGBImage) throws -> [RGBImage] {
    let grid = try grid(width: image.width, height: image.height)
    let whole = try resize(image, to: (tileSize, tileSize), filter: filter, as: resizing)
    guard grid.count > 1 else { return [whole] }
    return try resize(image, to: (grid.columns * tileSize, grid.rows * tileSize), filter: filter, as: resizing)
      .tiles(width: tileSize, height: tileSize) + [whole]
  }

  /// The patches of all views, row by row in each.
  ///
  /// - Throws: `ImageError` if the image can't be processed.
  func callAsFunction(_ image: RGBImage) throws -> PatchBatch {
    PatchBatch(views: try views(of: image), patchSize: patchSize, normalization: normalization)
  }
}

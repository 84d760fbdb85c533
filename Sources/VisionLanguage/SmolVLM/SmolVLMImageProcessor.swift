import HeadImpact
import ImageInput

/// SmolVLM's and Idefics3's image processing, as `SmolVLMImageProcessor` of Hugging Face transformers 5: resize by
/// the longer side, then to whole tiles; the tiles row by row, then the whole image as one more tile.
struct SmolVLMImageProcessor: ImageProcessor, Equatable {
  /// What a chat template shows the image as, and the text of an image token.
  static let placeholder = "<image>"
  /// Twice the side of a visual token at the published sizes.
  let leastSide = 84

  /// The longer side that an image is resized to first. - Units: pixels.
  let longestEdge: Int
  /// The side of a tile. - Units: pixels.
  let tileSize: Int
  let splitsIntoTiles: Bool
  let doResize: Bool
  let filter: ResamplingFilter
  let resizing: Resizing
  let normalization: PixelNormalization
  /// The side of a patch. - Units: pixels.
  let patchSize: Int
  /// The side of the block of patches that becomes one visual token.
  let scaleFactor: Int

  /// Visual tokens along the side of a view.
  var tokensASide: Int { tileSize / patchSize / scaleFactor }

  var viewKinds: Set<VisualLayout.View.Kind> { splitsIntoTiles ? [.tile, .wholeImage] : [.wholeImage] }

  /// The longest side that the first resize gives, whatever the file asks for.
  private static let largestSide = 4096

  private static let types = ["SmolVLMImageProcessor", "Idefics3ImageProcessor"].flatMap {
    [$0, $0 + "Fast", $0 + "Pil"]
  }

  /// - Parameter file: preprocessor_config.json; what it leaves out is the processor's default, as in transformers.
  /// - Throws: `ConfigurationError` naming the key whose value is of the wrong type, impossible or unsupported.
  init(_ file: ConfigurationFile, for model: SmolVLMConfiguration, resizing: Resizing) throws {
    self.resizing = resizing
    try file.refuseNull(["resample", "do_resize", "do_image_splitting", "size", "max_image_size"])
    if let type = try file.string("image_processor_type"), !Self.types.contains(type) {
      throw file.wrong("image_processor_type", "is \(type); it must be \(Self.types[0]) or \(Self.types[3])")
    }
    filter = try file.filter(default: .lanczos)
    let size = try file.object("size")
    longestEdge = try size.map { try $0.integer("longest_edge", in: 1...1_000_000) } ?? 4 * 364
    let largest = try file.object("max_image_size")
    tileSize = try largest.map { try $0.integer("longest_edge", in: 1...Self.largestSide) } ?? 364
    splitsIntoTiles = try file.boolean("do_image_splitting", default: true)
    doResize = try file.boolean("do_resize", default: true)
    normalization = try PixelNormalization(file, mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5])
    patchSize = model.vision.patchSize
    scaleFactor = model.scaleFactor
    // Other tiles would take their positions from the table by fractions of the side.
    guard tileSize / patchSize == model.vision.patchesASide else {
      throw (largest ?? file).wrong(
        largest == nil ? "max_image_size" : "longest_edge",
        "is \(tileSize), a tile of \(tileSize / patchSize) patches along a side; config.json's vision_config has positions "
          + "for \(model.vision.patchesASide)")
    }
  }

  /// The sizes and cuts of an image.
  struct Plan: Equatable {
    /// Of the first resize, which keeps the shape. - Units: pixels.
    let first: (width: Int, height: Int)
    /// Of the second, to whole tiles; nil if the image is not to be split. - Units: pixels.
    let second: (width: Int, height: Int)?
    /// Tiles down and across; 0 if the whole image is the only view.
    let rows: Int
    let columns: Int

    static func == (a: Plan, b: Plan) -> Bool {
      a.first == b.first && a.second?.width == b.second?.width && a.second?.height == b.second?.height
        && (a.rows, a.columns) == (b.rows, b.columns)
    }
  }

  /// - Throws: `ImageError` for a size that no image may have.
  func plan(width: Int, height: Int) throws -> Plan {
    try checkImageSize(width: width, height: height)
    let first = doResize ? Self.resized(width: width, height: height, longestEdge: longestEdge) : (width, height)
    guard splitsIntoTiles else { return Plan(first: first, second: nil, rows: 0, columns: 0) }
    let second = wholeTiles(first)
    let isOneTile = second.width == tileSize && second.height == tileSize
    return Plan(
      first: first, second: second, rows: isOneTile ? 0 : second.height / tileSize,
      columns: isOneTile ? 0 : second.width / tileSize)
  }

  /// The longer side as asked for, the other with the shape; numbers are cut to whole ones as Python's `int` does.
  private static func resized(width: Int, height: Int, longestEdge: Int) -> (width: Int, height: Int) {
    let aspect = Double(width) / Double(height)
    var size = (width: longestEdge, height: longestEdge)
    if width >= height {
      size.height = Int(Double(size.width) / aspect)
      size.height += size.height % 2
    } else {
      size.width = Int(Double(size.height) * aspect)
      size.width += size.width % 2
    }
    size = (max(size.width, 1), max(size.height, 1))
    let smaller = Double(size.width) / Double(size.height)
    if size.width >= size.height, size.width > largestSide {
      size = (largestSide, Int(Double(largestSide) / smaller))
    } else if size.height > size.width, size.height > largestSide {
      size = (Int(Double(largestSide) * smaller), largestSide)
    }
    return (max(size.width, 1), max(size.height, 1))
  }

  /// Sides of whole tiles, which need not keep the shape.
  private func wholeTiles(_ size: (width: Int, height: Int)) -> (width: Int, height: Int) {
    func whole(_ side: Int) -> Int { (side + tileSize - 1) / tileSize * tileSize }
    let aspect = Double(size.width) / Double(size.height)
    if size.width >= size.height {
      let width = whole(size.width)
      return (width, whole(Int(Double(width) / aspect)))
    }
    let height = whole(size.height)
    return (whole(Int(Double(height) * aspect)), height)
  }

  func layout(width: Int, height: Int) throws -> VisualLayout {
    let plan = try plan(width: width, height: height)
    let tiles = plan.rows * plan.columns
    let grid = ViewGrid(rows: tokensASide, cols: tokensASide)
    let (imageWidth, imageHeight) = (Double(width), Double(height))
    var cells: [Cell?] = []
    cells.reserveCapacity((tiles + 1) * tokensASide * tokensASide)
    for row in 0..<plan.rows {
      for column in 0..<plan.columns {
        cells += self.cells(
          x: imageWidth / Double(plan.columns), times: column, y: imageHeight / Double(plan.rows), times: row)
      }
    }
    cells += self.cells(x: imageWidth, times: 0, y: imageHeight, times: 0)
    let patches = tileSize / patchSize
    return VisualLayout(
      views: [(VisualLayout.View.Kind, ViewGrid)](repeating: (.tile, grid), count: tiles) + [(.wholeImage, grid)],
      cells: cells, text: text(rows: plan.rows, columns: plan.columns), patches: (tiles + 1) * patches * patches)
  }

  /// The cells of one view, row by row. Pixels at its right and bottom that fill no block of patches are nobody's.
  ///
  /// - Parameters:
  ///   - x: the view's width in the original image, and how many such widths stand before it. - Units: pixels.
  ///   - y: the same down.
  private func cells(x width: Double, times column: Int, y height: Double, times row: Int) -> [Cell] {
    let seen = Double(tokensASide * patchSize * scaleFactor) / Double(tileSize)
    return Cell.grid(
      ViewGrid(rows: tokensASide, cols: tokensASide),
      x: (Double(column) * width, (Double(column) + seen) * width),
      y: (Double(row) * height, (Double(row) + seen) * height))
  }

  /// What takes the placeholder's place: the image tokens of each view behind a marker of its place.
  private func text(rows: Int, columns: Int) -> String {
    let around = "<fake_token_around_image>"
    let tokens = String(repeating: Self.placeholder, count: tokensASide * tokensASide)
    var text = ""
    for row in 0..<rows {
      for column in 0..<columns { text += "\(around)<row_\(row + 1)_col_\(column + 1)>\(tokens)" }
      text += "\n"
    }
    return text + (rows > 0 ? "\n" : "") + "\(around)<global-img>\(tokens)\(around)"
  }

  /// The views of an image, each of one tile's size.
  ///
  /// - Throws: `ImageError` if the image can't be processed.
  func views(of image: RGBImage) throws -> [RGBImage] {
    let plan = try plan(width: image.width, height: image.height)
    let first = try resize(image, to: plan.first, filter: filter, as: resizing)
    guard let size = plan.second else {
      return [try resize(first, to: (tileSize, tileSize), filter: filter, as: resizing)]
    }
    let second = try resize(first, to: size, filter: filter, as: resizing)
    guard plan.rows > 0 else { return [second] }
    return try second.tiles(width: tileSize, height: tileSize)
      + [resize(second, to: (tileSize, tileSize), filter: filter, as: resizing)]
  }

  /// The patches of all views, row by row in each.
  ///
  /// - Throws: `ImageError` if the image can't be processed.
  func callAsFunction(_ image: RGBImage) throws -> PatchBatch {
    PatchBatch(views: try views(of: image), patchSize: patchSize, normalization: normalization)
  }
}

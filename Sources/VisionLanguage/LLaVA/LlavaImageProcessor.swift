import HeadImpact
import ImageInput

/// The image processing of LLaVA-1.5, LLaVA-NeXT and LLaVA-OneVision, as `CLIPImageProcessorPil`, `SiglipImageProcessorPil`,
/// `LlavaNextImageProcessorPil` and `LlavaOnevisionImageProcessorPil` of Hugging Face transformers 5.
struct LlavaImageProcessor: ImageProcessor, Equatable {
  /// How an image becomes views of the tower's size.
  enum Fitting: Equatable {
    /// One view, whatever its shape.
    case stretched
    /// One view: the middle of the image, whose shorter side is resized to this. - Units: pixels.
    case cropped(shortestEdge: Int)
    /// The whole image stretched, then the tiles of one of these canvases.
    case raster([LlavaRaster.Size])
  }

  /// What a chat template shows the image as, and the text of an image token.
  static let placeholder = "<image>"
  /// Twice the side of a visual token at the published sizes.
  let leastSide = 28

  let fitting: Fitting
  let filter: ResamplingFilter
  let resizing: Resizing
  let normalization: PixelNormalization
  /// The side of a view. - Units: pixels.
  let viewSize: Int
  /// - Units: pixels.
  let patchSize: Int
  /// A raster of more patches than those of about so many tiles is sampled; nil for never.
  let mostTiles: Int?
  /// Rows of the tower before a view's patches.
  let classTokens: Int

  /// Patches along the side of a view.
  private var side: Int { viewSize / patchSize }

  var viewKinds: Set<VisualLayout.View.Kind> {
    if case .raster = fitting { return [.tile, .wholeImage] }
    return [.wholeImage]
  }

  /// - Parameter file: preprocessor_config.json; what it leaves out is the processor's default, as in transformers.
  /// - Throws: `ConfigurationError` naming the key whose value is of the wrong type, impossible or unsupported.
  init(_ file: ConfigurationFile, for model: LlavaConfiguration, resizing: Resizing) throws {
    self.resizing = resizing
    let kind = try Kind(file, for: model)
    try file.refuseNull(["resample", "size", "do_resize"])
    let resample = try file.integer("resample", in: 0...5, default: ResamplingFilter.bicubic.rawValue)
    guard let filter = ResamplingFilter(rawValue: resample) else {
      throw file.wrong("resample", "is \(resample); it must be 0 (nearest), 1 (Lanczos), 2 (bilinear) or 3 (bicubic)")
    }
    self.filter = filter
    let half = [0.5, 0.5, 0.5]
    normalization = try PixelNormalization(
      file, mean: kind == .siglip ? half : [0.48145466, 0.4578275, 0.40821073],
      deviation: kind == .siglip ? half : [0.26862954, 0.26130258, 0.27577711])
    (viewSize, patchSize) = (model.vision.imageSize, model.vision.patchSize)
    mostTiles = model.mostTiles
    classTokens = model.classTokens
    fitting = try Self.fitting(file, kind, for: model)
  }

  func layout(width: Int, height: Int) throws -> VisualLayout {
    try checkImageSize(width: width, height: height)
    let grid = ViewGrid(rows: side, cols: side)
    let seen = Double(side * patchSize)
    // Pixels at the right and bottom of a view that fill no patch are nobody's.
    let share = seen / Double(viewSize)
    let stretched = Cell.grid(grid, x: (0, Double(width) * share), y: (0, Double(height) * share))
    var views: [(kind: VisualLayout.View.Kind, grid: ViewGrid)] = [(.wholeImage, grid)]
    switch fitting {
    case .stretched: return layout(stretched, views, towerViews: 1)
    case .cropped(let edge):
      let scaled = Self.resized(width: width, height: height, shortestEdge: edge)
      let (x, y) = (Double(width) / Double(scaled.width), Double(height) / Double(scaled.height))
      let (left, top) = (Double((scaled.width - viewSize) / 2), Double((scaled.height - viewSize) / 2))
      let cells = Cell.grid(grid, x: (left * x, (left + seen) * x), y: (top * y, (top + seen) * y))
      return layout(cells, views, towerViews: 1)
    case .raster(let pinpoints):
      let raster = try raster(width: width, height: height, pinpoints)
      // Of an image of an extreme shape nothing may be left there.
      if raster.rows.tokens > 0, raster.columns.tokens > 0 {
        views.append((.tile, ViewGrid(rows: raster.rows.tokens, cols: raster.columns.tokens)))
      }
      return layout(stretched + raster.cells, views, towerViews: raster.tiles + 1)
    }
  }

  private func layout(
    _ cells: [Cell?], _ views: [(kind: VisualLayout.View.Kind, grid: ViewGrid)], towerViews: Int
  ) -> VisualLayout {
    let rows = side * side + classTokens
    return VisualLayout(
      views: views, cells: cells, text: String(repeating: Self.placeholder, count: cells.count),
      patches: towerViews * rows, patchesInView: rows)
  }

  /// nil for a family without.
  ///
  /// - Throws: `ImageError` for a size that the family can't take.
  func raster(width: Int, height: Int) throws -> LlavaRaster? {
    guard case .raster(let pinpoints) = fitting else { return nil }
    return try raster(width: width, height: height, pinpoints)
  }

  private func raster(width: Int, height: Int, _ pinpoints: [LlavaRaster.Size]) throws -> LlavaRaster {
    try checkImageSize(width: width, height: height)
    let raster = LlavaRaster(
      of: LlavaRaster.Size(width: width, height: height), pinpoints: pinpoints, tile: viewSize, patch: patchSize,
      mostTiles: mostTiles)
    guard !raster.isSampled || (raster.rows.tokens > 0 && raster.columns.tokens > 0) else {
      throw ImageError(
        problem:
          "a picture of \(width) x \(height) pixels: its \(raster.rows.kept) x \(raster.columns.kept) patches can't be "
          + "sampled to \(raster.rows.tokens) x \(raster.columns.tokens)")
    }
    return raster
  }

  /// The sides of an image whose shorter one becomes `edge`; the other is cut to a whole number.
  static func resized(width: Int, height: Int, shortestEdge edge: Int) -> (width: Int, height: Int) {
    width <= height
      ? (edge, Int(Double(edge * height) / Double(width))) : (Int(Double(edge * width) / Double(height)), edge)
  }

  /// The views of an image, each of the tower's size.
  ///
  /// - Throws: `ImageError` if the image can't be processed.
  func views(of image: RGBImage) throws -> [RGBImage] {
    let whole = (viewSize, viewSize)
    switch fitting {
    case .stretched: return [try resize(image, to: whole, filter: filter, as: resizing)]
    case .cropped(let edge):
      let scaled = Self.resized(width: image.width, height: image.height, shortestEdge: edge)
      return [
        try resize(image, to: scaled, filter: filter, as: resizing).cropped(
          x: (scaled.width - viewSize) / 2, y: (scaled.height - viewSize) / 2, width: viewSize, height: viewSize)
      ]
    case .raster(let pinpoints):
      let raster = try raster(width: image.width, height: image.height, pinpoints)
      let (size, canvas) = (raster.resized, raster.canvas)
      let padded = try resize(image, to: (size.width, size.height), filter: filter, as: resizing).padded(
        left: raster.left, top: raster.top, right: canvas.width - size.width - raster.left,
        bottom: canvas.height - size.height - raster.top)
      return try [resize(image, to: whole, filter: filter, as: resizing)]
        + padded.tiles(width: viewSize, height: viewSize)
    }
  }

  /// The patches of all views, row by row in each.
  ///
  /// - Throws: `ImageError` if the image can't be processed.
  func callAsFunction(_ image: RGBImage) throws -> PatchBatch {
    PatchBatch(views: try views(of: image), patchSize: patchSize, normalization: normalization)
  }
}

// MARK: - Sizes in the file

extension LlavaImageProcessor {
  /// The processors of transformers, and what they do where a file says nothing.
  private enum Kind: String, CaseIterable {
    case clip = "CLIP"
    case llava = "Llava"
    case siglip = "Siglip"
    case llavaNext = "LlavaNext"
    case llavaOnevision = "LlavaOnevision"

    /// - Throws: for a processor that doesn't fit the family.
    init(_ file: ConfigurationFile, for model: LlavaConfiguration) throws {
      let known: [Kind] =
        switch model.family {
        case .llava: [.llava, .clip, .siglip]
        case .llavaNext: [.llavaNext]
        case .llavaOnevision: [.llavaOnevision]
        }
      func names(_ kind: Kind, _ word: String) -> [String] { ["", "Fast", "Pil"].map { kind.rawValue + word + $0 } }
      for (key, word) in [("image_processor_type", "ImageProcessor"), ("feature_extractor_type", "FeatureExtractor")] {
        guard let type = try file.string(key) else { continue }
        guard let kind = known.first(where: { names($0, word).contains(type) }) else {
          throw file.wrong(
            key, "is \(type); it must be \(known.map { $0.rawValue + word }.joined(separator: ", ")) or left out")
        }
        self = kind
        return
      }
      self = known[0]
    }
  }

  /// `size` or `crop_size`: a side that is given, or both.
  private enum Size {
    case shortestEdge(Int)
    case both(LlavaRaster.Size)
  }

  private static func size(_ file: ConfigurationFile, _ key: String, numberIsSquare: Bool) throws -> Size? {
    let range = 1...100_000
    if file.value(of: key)?.integer != nil {
      let side = try file.integer(key, in: range)
      return numberIsSquare ? .both(LlavaRaster.Size(width: side, height: side)) : .shortestEdge(side)
    }
    guard let size = try file.object(key) else { return nil }
    if size.has("shortest_edge") {
      guard !size.has("longest_edge") else { throw size.wrong("longest_edge", "is given beside shortest_edge") }
      return .shortestEdge(try size.integer("shortest_edge", in: range))
    }
    return .both(
      LlavaRaster.Size(width: try size.integer("width", in: range), height: try size.integer("height", in: range)))
  }

  private static func fitting(
    _ file: ConfigurationFile, _ kind: Kind, for model: LlavaConfiguration
  ) throws -> Fitting {
    let view = model.vision.imageSize
    let square = LlavaRaster.Size(width: view, height: view)
    let isRaster = kind == .llavaNext || kind == .llavaOnevision
    let size =
      try size(file, "size", numberIsSquare: false)
      ?? (kind == .llavaOnevision
        ? .both(LlavaRaster.Size(width: 384, height: 384))
        : kind == .siglip ? .both(LlavaRaster.Size(width: 224, height: 224)) : .shortestEdge(224))
    let cropsByDefault = kind != .siglip && kind != .llavaOnevision
    let crops =
      file.has("do_center_crop") || !file.holds("do_center_crop")
      ? try file.boolean("do_center_crop", default: cropsByDefault) : false
    let crop =
      file.holds("crop_size") || !cropsByDefault
      ? try self.size(file, "crop_size", numberIsSquare: true) : .both(LlavaRaster.Size(width: 224, height: 224))
    func wrong(_ key: String, _ size: Size) -> ConfigurationError {
      file.wrong(
        key,
        "makes views of \(Self.words(size)) pixels; they must be \(view) x \(view): config.json's vision_config has image_size \(view)"
      )
    }
    if let crop, crops || isRaster {
      guard case .both(square) = crop else { throw wrong("crop_size", crop) }
    }
    if isRaster {
      switch size {
      case .both(square), .shortestEdge(view): break
      default: throw wrong("size", size)
      }
      return .raster(try pinpoints(file, for: model))
    }
    guard try file.boolean("do_resize", default: true) else {
      throw file.wrong("do_resize", "is false; only true is supported")
    }
    guard try !file.boolean("do_pad", default: false) else {
      throw file.wrong("do_pad", "is true; images that are padded to squares are not supported, only false is")
    }
    switch size {
    case .both(square): return .stretched
    case .shortestEdge(let edge) where crops && edge >= view: return .cropped(shortestEdge: edge)
    default: throw wrong(crops ? "size" : "do_center_crop", size)
    }
  }

  private static func words(_ size: Size) -> String {
    switch size {
    case .shortestEdge(let edge): "\(edge) x more"
    case .both(let size): "\(size.width) x \(size.height)"
    }
  }

  /// The canvases; they must be the model's, which knows only how many tiles they have.
  private static func pinpoints(
    _ file: ConfigurationFile, for model: LlavaConfiguration
  ) throws -> [LlavaRaster.Size] {
    let pinpoints = try LlavaConfiguration.pinpoints(file, for: model.family, tile: model.vision.imageSize)
    guard pinpoints == model.pinpoints else {
      throw file.wrong("image_grid_pinpoints", "are not those of config.json, by which the model takes the tiles apart")
    }
    return pinpoints
  }
}

import HeadImpact
import ImageInput

/// An image that is stretched to one size, whatever its shape, and seen as one view: `SiglipImageProcessorPil` of Hugging Face
/// transformers 5, and its relatives.
struct StretchedImageProcessor: ImageProcessor, Equatable {
  /// What a family's class of transformers has where a file says nothing.
  struct Defaults {
    /// Of `image_processor_type`; with `Fast` or `Pil` behind them they mean the same.
    let types: [String]
    /// The side. - Units: pixels.
    let size: Int
    let filter: ResamplingFilter
  }

  /// - Units: pixels.
  let size: (width: Int, height: Int)
  let filter: ResamplingFilter
  let normalization: PixelNormalization
  /// The side of a patch. - Units: pixels.
  let patchSize: Int
  /// Visual tokens along a side.
  let tokensASide: Int
  /// What takes the placeholder's place in a chat.
  let text: String
  /// Whose resize it is.
  let resizing: Resizing

  let viewKinds: Set<VisualLayout.View.Kind> = [.wholeImage]
  var leastSide: Int { 2 * patchSize }

  private var patchesASide: Int { size.width / patchSize }

  /// - Parameters:
  ///   - file: preprocessor_config.json; what it leaves out is the processor's default, as in transformers.
  ///   - imageSize: the side of the image that the vision tower has positions for. - Units: pixels.
  ///   - patchSize: the tower's.
  ///   - text: takes the placeholder's place in a chat, markers included.
  /// - Throws: `ConfigurationError` naming the key whose value is of the wrong type, impossible or unsupported.
  init(
    _ file: ConfigurationFile, defaults: Defaults, imageSize: Int, patchSize: Int, tokensASide: Int, text: String,
    resizing: Resizing
  ) throws {
    self.resizing = resizing
    try file.refuseNull(["resample", "do_resize", "size"])
    let types = defaults.types.flatMap { [$0, $0 + "Fast", $0 + "Pil"] }
    if let type = try file.string("image_processor_type"), !types.contains(type) {
      throw file.wrong(
        "image_processor_type", "is \(type); it must be \(defaults.types.joined(separator: " or "))")
    }
    guard try file.boolean("do_resize", default: true) else {
      throw file.wrong("do_resize", "is false; the vision tower takes images of one size only")
    }
    for key in ["do_center_crop", "do_pad"] where try file.boolean(key, default: false) {
      throw file.wrong(key, "is true; images are stretched here, neither cropped nor padded")
    }
    filter = try file.filter(default: defaults.filter)
    let asked = try file.object("size")
    for side in ["height", "width"] {
      let given = try asked.map { try $0.integer(side, in: 1...100_000) } ?? defaults.size
      guard given == imageSize else {
        throw (asked ?? file).wrong(
          asked == nil ? "size" : side,
          "is \(given); config.json's vision_config has positions for images of \(imageSize) × \(imageSize) (image_size)"
        )
      }
    }
    size = (imageSize, imageSize)
    normalization = try PixelNormalization(file, mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5])
    self.patchSize = patchSize
    self.tokensASide = tokensASide
    self.text = text
  }

  static func == (a: StretchedImageProcessor, b: StretchedImageProcessor) -> Bool {
    a.size == b.size && (a.filter, a.patchSize, a.tokensASide) == (b.filter, b.patchSize, b.tokensASide)
      && a.normalization == b.normalization && a.text == b.text && a.resizing == b.resizing
  }

  func layout(width: Int, height: Int) throws -> VisualLayout {
    try checkImageSize(width: width, height: height)
    // Pixels at the right and bottom that fill no patch are nobody's.
    let seen = Double(patchesASide * patchSize) / Double(size.width)
    let grid = ViewGrid(rows: tokensASide, cols: tokensASide)
    return VisualLayout(
      views: [(.wholeImage, grid)], cells: Cell.grid(grid, x: (0, Double(width) * seen), y: (0, Double(height) * seen)),
      text: text, patches: patchesASide * patchesASide)
  }

  /// The image in the size that the tower takes.
  ///
  /// - Throws: `ImageError` if it can't be processed.
  func stretched(_ image: RGBImage) throws -> RGBImage {
    try checkImageSize(width: image.width, height: image.height)
    return try resize(image, to: size, filter: filter, as: resizing)
  }

  /// The patches, row by row.
  ///
  /// - Throws: `ImageError` if the image can't be processed.
  func callAsFunction(_ image: RGBImage) throws -> PatchBatch {
    PatchBatch(views: [try stretched(image)], patchSize: patchSize, normalization: normalization)
  }
}

import Foundation
import HeadImpact
import ImageInput

/// Qwen2-VL's image processing, as `Qwen2VLImageProcessor` of Hugging Face transformers 5: resize to sides that
/// whole blocks of patches fill, rescale, normalise, cut into patches.
struct Qwen2VLImageProcessor: ImageProcessor, Equatable {
  /// The limits of the resized image's area. - Units: pixels.
  let minPixels: Int
  let maxPixels: Int
  /// The side of a patch. - Units: pixels.
  let patchSize: Int
  /// The frames a patch spans; a still image is repeated.
  let temporalPatchSize: Int
  /// The side of the block of patches that becomes one visual token.
  let mergeSize: Int
  let doResize: Bool
  let resizing: Resizing
  let normalization: PixelNormalization

  /// What a chat template shows the image as.
  static let placeholder = "<|image_pad|>"

  let viewKinds: Set<VisualLayout.View.Kind> = [.wholeImage]
  /// Twice the side of a visual token.
  var leastSide: Int { 2 * patchSize * mergeSize }

  private static let types = ["Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast", "Qwen2VLImageProcessorPil"]

  /// - Parameter file: preprocessor_config.json; what it leaves out is the processor's default, as in transformers.
  /// - Throws: `ConfigurationError` naming the key whose value is of the wrong type, impossible or unsupported.
  init(_ file: ConfigurationFile, resizing: Resizing) throws {
    self.resizing = resizing
    try file.refuseNull(["patch_size", "temporal_patch_size", "merge_size", "resample", "do_resize"])
    // What decides pixels and isn't done. Images come as RGB, so `do_convert_rgb` does not; this processor has no
    // `do_center_crop` and `do_pad`.
    let resample = try file.integer("resample", in: 0...100, default: 3)
    guard resample == 3 else { throw file.wrong("resample", "is \(resample): only 3 (bicubic) is supported") }
    let type = try file.string("image_processor_type")
    if let type, !Self.types.contains(type) {
      throw file.wrong("image_processor_type", "is \(type): only \(Self.types[0]) is supported")
    }
    if type == nil, let older = try file.string("feature_extractor_type"), older != "Qwen2VLFeatureExtractor" {
      throw file.wrong("feature_extractor_type", "is \(older): only \(Self.types[0]) is supported")
    }
    minPixels = try Self.limit(
      file, "min_pixels", "shortest_edge", in: 1...RGBImage.maximumPixels, default: 56 * 56)
    maxPixels = try Self.limit(
      file, "max_pixels", "longest_edge", in: minPixels...RGBImage.maximumPixels, default: 28 * 28 * 1280)
    guard minPixels <= maxPixels else {
      throw file.wrong("min_pixels", "is \(minPixels): it must be at most max_pixels, by default \(maxPixels)")
    }
    patchSize = try file.integer("patch_size", in: 1...1024, default: 14)
    temporalPatchSize = try file.integer("temporal_patch_size", in: 1...64, default: 2)
    mergeSize = try file.integer("merge_size", in: 1...64, default: 2)
    doResize = try file.boolean("do_resize", default: true)
    normalization = try PixelNormalization(
      file, mean: [0.48145466, 0.4578275, 0.40821073], deviation: [0.26862954, 0.26130258, 0.27577711])
  }

  /// A limit of the area: by its own key, or in `size`, where older versions wrote it by that key too.
  private static func limit(
    _ file: ConfigurationFile, _ key: String, _ edge: String, in range: ClosedRange<Int>, default fallback: Int
  ) throws -> Int {
    guard !file.has(key), let size = try file.object("size") else {
      return try file.integer(key, in: range, default: fallback)
    }
    switch (size.has(edge), size.has(key)) {
    case (true, true): throw size.wrong(edge, "and \(key) are both present: exactly one of them is needed")
    case (false, false): throw size.wrong(edge, "is missing (and \(key))")
    case (let isNew, _): return try size.integer(isNew ? edge : key, in: range)
    }
  }

  func layout(width: Int, height: Int) throws -> VisualLayout {
    let size = try resizedSize(width: width, height: height)
    let (rows, columns) = (size.height / (patchSize * mergeSize), size.width / (patchSize * mergeSize))
    var cells: [Cell?] = []
    cells.reserveCapacity(rows * columns)
    for row in 0..<rows {
      for column in 0..<columns {
        cells.append(
          Cell(
            x0: Double(column * width) / Double(columns), y0: Double(row * height) / Double(rows),
            x1: Double((column + 1) * width) / Double(columns), y1: Double((row + 1) * height) / Double(rows)))
      }
    }
    return VisualLayout(
      views: [(.wholeImage, ViewGrid(rows: rows, cols: columns))], cells: cells,
      text: String(repeating: Self.placeholder, count: rows * columns),
      patches: rows * columns * mergeSize * mergeSize, positions: .grid(rows: rows, columns: columns))
  }

  /// The size an image is resized to.
  ///
  /// - Units: pixels.
  /// - Throws: `ImageError` if the image can't be processed.
  func resizedSize(width: Int, height: Int) throws -> (width: Int, height: Int) {
    let factor = patchSize * mergeSize
    guard !doResize else {
      let size = try smartResize(
        height: height, width: width, factor: factor, minPixels: minPixels, maxPixels: maxPixels)
      return (size.width, size.height)
    }
    guard width.isMultiple(of: factor), height.isMultiple(of: factor) else {
      throw ImageError(
        problem: "a picture of \(width) x \(height) pixels: with do_resize false, multiples of \(factor) are needed")
    }
    return (width, height)
  }

  /// The patches of a merged block follow each other, blocks in rows.
  ///
  /// - Throws: `ImageError` if the image can't be processed.
  func callAsFunction(_ image: RGBImage) throws -> PatchBatch {
    let resized = try resize(
      image, to: resizedSize(width: image.width, height: image.height), filter: .bicubic, as: resizing)
    let grid = PatchGrid(rows: resized.height / patchSize, columns: resized.width / patchSize)
    let cutter = PatchCutter(patchSize: patchSize, frames: temporalPatchSize, tables: normalization.tables())
    return PatchBatch(
      pixelValues: [Float](unsafeUninitializedCapacity: grid.count * cutter.width) { result, count in
        cutter.cut(resized, order: grid.order(inBlocksOf: mergeSize), into: result)
        count = grid.count * cutter.width
      }, grids: [grid])
  }
}

extension ProcessorInFolder where Processor == Qwen2VLImageProcessor {
  /// - Throws: `ConfigurationError` where the vision tower takes other patches.
  func check(patchSize: Int, mergeSize: Int, temporalPatchSize: Int) throws {
    guard
      processor.patchSize == patchSize, processor.mergeSize == mergeSize,
      processor.temporalPatchSize == temporalPatchSize
    else {
      throw ConfigurationError(
        path: path, key: "patch_size",
        reason: "(or merge_size or temporal_patch_size) differs from config.json's vision_config")
    }
  }
}

/// The size Qwen2-VL gives an image: both sides multiples of `factor`, the area between the limits, the shape
/// as close as that allows. As `smart_resize` of Hugging Face transformers.
///
/// - Units: pixels.
/// - Throws: `ImageError` for an impossible size, for limits that are none, and for an image more than 200 times as
///   long as it is wide.
func smartResize(
  height: Int, width: Int, factor: Int, minPixels: Int, maxPixels: Int
) throws -> (height: Int, width: Int) {
  try checkImageSize(width: width, height: height)
  guard factor > 0, factor <= 1 << 16, minPixels > 0, minPixels <= maxPixels else {
    throw ImageError(
      problem: "sides in multiples of \(factor) and \(minPixels) to \(maxPixels) pixels: no size is like that")
  }
  let aspect = Double(max(height, width)) / Double(min(height, width))
  guard aspect <= 200 else {
    throw ImageError(
      problem: "a picture of \(width) x \(height) pixels: one side may be at most 200 times the other")
  }
  let (h, w, unit) = (Double(height), Double(width), Double(factor))
  func multiple(_ sides: Double) -> Int { Int(sides) * factor }
  // Python's round goes to the even number at .5.
  let rounded = (
    height: multiple((h / unit).rounded(.toNearestOrEven)), width: multiple((w / unit).rounded(.toNearestOrEven))
  )
  if rounded.height * rounded.width > maxPixels {
    let beta = (Double(height * width) / Double(maxPixels)).squareRoot()
    return (
      max(factor, multiple((h / beta / unit).rounded(.down))), max(factor, multiple((w / beta / unit).rounded(.down)))
    )
  }
  if rounded.height * rounded.width < minPixels {
    let beta = (Double(minPixels) / Double(height * width)).squareRoot()
    return (multiple((h * beta / unit).rounded(.up)), multiple((w * beta / unit).rounded(.up)))
  }
  return rounded
}

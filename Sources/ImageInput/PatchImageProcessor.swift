import Foundation

/// An image cut into flattened patches, ready for a vision tower.
public struct PatchBatch: Sendable {
  /// Patches in merge blocks: block by block, and row by row inside a block.
  ///
  /// - Shape: [gridHeight · gridWidth, 3 · temporalPatchSize · patchSize · patchSize].
  public let pixelValues: [Float]
  /// Rows of patches.
  public let gridHeight: Int
  /// Columns of patches.
  public let gridWidth: Int
}

/// Resize, rescale, normalise and cut into patches, as preprocessor_config.json says (transformers:
/// `Qwen2VLImageProcessorPil`).
public struct PatchImageProcessor: Sendable, Equatable {
  public let patchSize: Int
  public let temporalPatchSize: Int
  public let mergeSize: Int
  let minPixels: Int
  let maxPixels: Int
  let rescaleFactor: Double
  let mean: [Float]
  let standardDeviation: [Float]

  /// - Parameter file: preprocessor_config.json.
  /// - Throws: `ImageInputError` naming the file and the key.
  public init(contentsOf file: URL) throws {
    func wrong(_ reason: String) -> ImageInputError { ImageInputError(file: file.path, reason: reason) }
    let data: Data
    do {
      data = try Data(contentsOf: file)
    } catch {
      throw wrong("can't be read: \(error.localizedDescription)")
    }
    let content: Content
    do {
      content = try JSONDecoder().decode(Content.self, from: data)
    } catch let DecodingError.typeMismatch(_, context), let DecodingError.valueNotFound(_, context) {
      throw wrong("`\(context.codingPath.map(\.stringValue).joined(separator: "."))`: \(context.debugDescription)")
    } catch {
      throw wrong("isn't a JSON object: \(error)")
    }
    for (key, value) in [
      ("do_resize", content.do_resize), ("do_rescale", content.do_rescale), ("do_normalize", content.do_normalize),
      ("do_convert_rgb", content.do_convert_rgb),
    ] where value == false { throw wrong("`\(key)` is false; only true is supported") }
    guard (content.resample ?? 3) == 3 else { throw wrong("`resample` is \(content.resample ?? 0); 3, bicubic, is supported") }
    func positive(_ key: String, _ value: Int, _ most: Int) throws -> Int {
      guard (1...most).contains(value) else { throw wrong("`\(key)` is \(value); it must be in 1...\(most)") }
      return value
    }
    patchSize = try positive("patch_size", content.patch_size ?? 14, 1024)
    temporalPatchSize = try positive("temporal_patch_size", content.temporal_patch_size ?? 2, 64)
    mergeSize = try positive("merge_size", content.merge_size ?? 2, 64)
    minPixels = try positive(
      "min_pixels", content.min_pixels ?? content.size?.shortest_edge ?? content.size?.min_pixels ?? 56 * 56,
      largestPixelCount)
    maxPixels = try positive(
      "max_pixels", content.max_pixels ?? content.size?.longest_edge ?? content.size?.max_pixels ?? 28 * 28 * 1280,
      largestPixelCount)
    guard minPixels <= maxPixels else { throw wrong("`min_pixels` (\(minPixels)) is more than `max_pixels` (\(maxPixels))") }
    rescaleFactor = content.rescale_factor ?? 1.0 / 255
    mean = content.image_mean ?? [0.48145466, 0.4578275, 0.40821073]
    standardDeviation = content.image_std ?? [0.26862954, 0.26130258, 0.27577711]
    guard rescaleFactor.isFinite, mean.count == 3, standardDeviation.count == 3,
      standardDeviation.allSatisfy({ $0 > 0 })
    else { throw wrong("`image_mean` and `image_std` must hold 3 numbers, `image_std` greater than 0") }
  }

  /// The grid of patches of an image of this size, in pixels.
  ///
  /// - Throws: `ImageInputError` where one side is over 200 times the other.
  public func grid(width: Int, height: Int) throws -> (height: Int, width: Int) {
    let size = try smartResize(width: width, height: height)
    return (size.height / patchSize, size.width / patchSize)
  }

  /// - Throws: `ImageInputError` where one side is over 200 times the other.
  public func process(_ image: RGBImage) throws -> PatchBatch {
    let size = try smartResize(width: image.width, height: image.height)
    let resized = image.resizedBicubic(width: size.width, height: size.height)
    let (gridHeight, gridWidth) = (size.height / patchSize, size.width / patchSize)
    let area = patchSize * patchSize
    let patchWidth = 3 * temporalPatchSize * area
    let tables = valueTables()
    var values = [Float](repeating: 0, count: gridHeight * gridWidth * patchWidth)
    values.withUnsafeMutableBufferPointer { values in
      resized.pixels.withUnsafeBufferPointer { pixels in
        for patchRow in 0..<gridHeight {
          for patchColumn in 0..<gridWidth {
            let block = (patchRow / mergeSize) * (gridWidth / mergeSize) + patchColumn / mergeSize
            let inside = patchRow % mergeSize * mergeSize + patchColumn % mergeSize
            let start = (block * mergeSize * mergeSize + inside) * patchWidth
            for channel in 0..<3 {
              for y in 0..<patchSize {
                for x in 0..<patchSize {
                  let row = patchRow * patchSize + y
                  let column = patchColumn * patchSize + x
                  let value = tables[channel][Int(pixels[(row * size.width + column) * 3 + channel])]
                  // A picture is a film that stands still.
                  for time in 0..<temporalPatchSize {
                    values[start + (channel * temporalPatchSize + time) * area + y * patchSize + x] = value
                  }
                }
              }
            }
          }
        }
      }
    }
    return PatchBatch(pixelValues: values, gridHeight: gridHeight, gridWidth: gridWidth)
  }

  /// What each of the 256 pixel values becomes, by channel: rescaled in float64, normalised in float32.
  private func valueTables() -> [[Float]] {
    (0..<3).map { channel in
      (0..<256).map { (Float(Double($0) * rescaleFactor) - mean[channel]) / standardDeviation[channel] }
    }
  }

  /// The size, in whole merge blocks, nearest to the image's within the allowed numbers of pixels (`smart_resize`).
  func smartResize(width: Int, height: Int) throws -> (height: Int, width: Int) {
    guard width > 0, height > 0, Double(max(width, height)) / Double(min(width, height)) <= 200 else {
      throw ImageInputError(
        file: "image", reason: "\(width)x\(height) pixels: one side may be at most 200 times the other")
    }
    let factor = Double(patchSize * mergeSize)
    var rows = (Double(height) / factor).rounded(.toNearestOrEven) * factor
    var columns = (Double(width) / factor).rounded(.toNearestOrEven) * factor
    let pixels = Double(height * width)
    if rows * columns > Double(maxPixels) {
      let shrink = (pixels / Double(maxPixels)).squareRoot()
      rows = max(factor, (Double(height) / shrink / factor).rounded(.down) * factor)
      columns = max(factor, (Double(width) / shrink / factor).rounded(.down) * factor)
    } else if rows * columns < Double(minPixels) {
      let grow = (Double(minPixels) / pixels).squareRoot()
      rows = (Double(height) * grow / factor).rounded(.up) * factor
      columns = (Double(width) * grow / factor).rounded(.up) * factor
    }
    return (Int(rows), Int(columns))
  }

  /// The keys of preprocessor_config.json, by their own names.
  private struct Content: Decodable {
    struct Size: Decodable {
      let shortest_edge: Int?
      let longest_edge: Int?
      let min_pixels: Int?
      let max_pixels: Int?
    }
    let size: Size?
    let min_pixels: Int?
    let max_pixels: Int?
    let patch_size: Int?
    let temporal_patch_size: Int?
    let merge_size: Int?
    let do_resize: Bool?
    let do_rescale: Bool?
    let do_normalize: Bool?
    let do_convert_rgb: Bool?
    let resample: Int?
    let rescale_factor: Double?
    let image_mean: [Float]?
    let image_std: [Float]?
  }
}

/// A picture as Qwen2-VL's vision tower takes it.
public struct PatchBatch: Sendable, Equatable {
  /// - Shape: [patches, channels * temporal * patch * patch], row-major. The patches of a merged block follow each
  ///   other, blocks in rows.
  public let pixelValues: [Float]
  /// How many patches in time, down and across.
  public let gridTHW: (t: Int, h: Int, w: Int)

  public init(pixelValues: [Float], gridTHW: (t: Int, h: Int, w: Int)) {
    self.pixelValues = pixelValues
    self.gridTHW = gridTHW
  }

  public static func == (a: PatchBatch, b: PatchBatch) -> Bool {
    a.gridTHW == b.gridTHW && a.pixelValues == b.pixelValues
  }
}

/// Qwen2-VL's image processing, as `Qwen2VLImageProcessorPil` of Hugging Face transformers 5: resize, rescale,
/// normalise, cut into patches.
public struct PatchImageProcessor: Sendable, Equatable {
  /// The limits of the resized picture's area. - Units: pixels.
  public let minPixels: Int
  public let maxPixels: Int
  /// The side of a patch. - Units: pixels.
  public let patchSize: Int
  /// The frames a patch spans; a still picture is repeated.
  public let temporalPatchSize: Int
  /// The side of the block of patches that becomes one visual token.
  public let mergeSize: Int
  /// Red, green, blue.
  public let imageMean: [Double]
  public let imageStd: [Double]
  public let rescaleFactor: Double
  public let doResize: Bool
  public let doRescale: Bool
  public let doNormalize: Bool

  /// The defaults are the model's own.
  ///
  /// - Throws: `ImageError` naming the key of `preprocessor_config.json` whose value is impossible.
  public init(
    minPixels: Int = 56 * 56, maxPixels: Int = 28 * 28 * 1280, patchSize: Int = 14, temporalPatchSize: Int = 2,
    mergeSize: Int = 2, imageMean: [Double] = [0.48145466, 0.4578275, 0.40821073],
    imageStd: [Double] = [0.26862954, 0.26130258, 0.27577711], rescaleFactor: Double = 1.0 / 255,
    doResize: Bool = true, doRescale: Bool = true, doNormalize: Bool = true
  ) throws {
    func check(_ isRight: Bool, _ key: String, _ value: Any, _ right: String) throws {
      guard isRight else { throw ImageError(problem: "\(key) is \(value): \(right)") }
    }
    try check((1...1024).contains(patchSize), "patch_size", patchSize, "1 to 1024 pixels are possible")
    try check((1...64).contains(mergeSize), "merge_size", mergeSize, "1 to 64 patches are possible")
    try check((1...64).contains(temporalPatchSize), "temporal_patch_size", temporalPatchSize, "1 to 64 are possible")
    try check(
      (1...RGBImage.maximumPixels).contains(minPixels), "min_pixels (size.shortest_edge)", minPixels,
      "1 to \(RGBImage.maximumPixels) are possible")
    try check(
      maxPixels >= minPixels && maxPixels <= RGBImage.maximumPixels, "max_pixels (size.longest_edge)", maxPixels,
      "from min_pixels, \(minPixels), to \(RGBImage.maximumPixels) are possible")
    try check(
      imageMean.count == 3 && imageMean.allSatisfy(\.isFinite), "image_mean", imageMean, "three numbers are needed")
    try check(
      imageStd.count == 3 && imageStd.allSatisfy { $0.isFinite && Float($0) != 0 }, "image_std", imageStd,
      "three numbers that are not 0 are needed")
    try check(rescaleFactor.isFinite, "rescale_factor", rescaleFactor, "a finite number is needed")
    self.minPixels = minPixels
    self.maxPixels = maxPixels
    self.patchSize = patchSize
    self.temporalPatchSize = temporalPatchSize
    self.mergeSize = mergeSize
    self.imageMean = imageMean
    self.imageStd = imageStd
    self.rescaleFactor = rescaleFactor
    self.doResize = doResize
    self.doRescale = doRescale
    self.doNormalize = doNormalize
  }

  /// The size a picture is resized to.
  ///
  /// - Units: pixels.
  /// - Throws: `ImageError` where the picture can't be processed.
  public func resizedSize(width: Int, height: Int) throws -> (width: Int, height: Int) {
    let factor = patchSize * mergeSize
    guard doResize else {
      guard width.isMultiple(of: factor), height.isMultiple(of: factor) else {
        throw ImageError(
          problem: "a picture of \(width) x \(height) pixels: with do_resize false, multiples of \(factor) are needed")
      }
      return (width, height)
    }
    let size = try smartResize(
      height: height, width: width, factor: factor, minPixels: minPixels, maxPixels: maxPixels)
    return (size.width, size.height)
  }

  /// - Throws: `ImageError` where the picture can't be processed.
  public func callAsFunction(_ image: RGBImage) throws -> PatchBatch {
    let resized = try resize(image, to: resizedSize(width: image.width, height: image.height), filter: .bicubic)
    let grid = (t: 1, h: resized.height / patchSize, w: resized.width / patchSize)
    let values = (0..<3).map(valuesOfChannel)
    let plane = patchSize * patchSize
    let rowCount = temporalPatchSize * plane
    let pixelValues = [Float](unsafeUninitializedCapacity: grid.h * grid.w * 3 * rowCount) { result, count in
      var at = 0
      resized.pixels.withUnsafeBufferPointer { pixels in
        for (row, column) in patchOrder(grid.h, grid.w) {
          for channel in 0..<3 {
            let start = at
            for y in row * patchSize..<(row + 1) * patchSize {
              var from = (y * resized.width + column * patchSize) * 3 + channel
              for _ in 0..<patchSize {
                result[at] = values[channel][Int(pixels[from])]
                at += 1
                from += 3
              }
            }
            for _ in 1..<temporalPatchSize {
              for offset in 0..<plane { result[at + offset] = result[start + offset] }
              at += plane
            }
          }
        }
      }
      count = at
    }
    return PatchBatch(pixelValues: pixelValues, gridTHW: grid)
  }

  /// Patches block by block, the blocks and the patches in each in rows.
  private func patchOrder(_ rows: Int, _ columns: Int) -> [(row: Int, column: Int)] {
    var order: [(row: Int, column: Int)] = []
    order.reserveCapacity(rows * columns)
    for blockRow in stride(from: 0, to: rows, by: mergeSize) {
      for blockColumn in stride(from: 0, to: columns, by: mergeSize) {
        for row in blockRow..<blockRow + mergeSize {
          for column in blockColumn..<blockColumn + mergeSize { order.append((row, column)) }
        }
      }
    }
    return order
  }

  /// What each of the 256 values becomes: rescaled in double precision, normalised in single, as NumPy does it there.
  private func valuesOfChannel(_ channel: Int) -> [Float] {
    (0..<256).map { value in
      let rescaled = doRescale ? Float(Double(value) * rescaleFactor) : Float(value)
      return doNormalize ? (rescaled - Float(imageMean[channel])) / Float(imageStd[channel]) : rescaled
    }
  }
}

/// How sure Head Impact is: the dataset's images drawn anew, with replacement, many times over.
///
/// Images are drawn, not samples: the samples of one image are not independent. A resample's HI is its sum over samples
/// by its number of samples. Draw j of resample r, of n images, is number r * n + j of `SplitMix64(seed)`, brought to
/// 0..<n. The images must come in the same order (ascending id) wherever the same bits are wanted.
///
/// Give it the images one by one, then take the result:
///
///     var bootstrap = try Bootstrap(images: n, layers: L, heads: H, resamples: 1000, seed: 0)
///     for image in images { try bootstrap.add(samplesOfOneImage: …) }
///     let confidence = try bootstrap.confidence(topLayers: 3)
///
/// - Complexity: O(images * resamples * values) multiplications; memory for resamples * (images / 8 + values) Doubles.
public struct Bootstrap: Sendable {
  /// How many resamples there may be.
  public static let resampleCounts = 1...100_000

  public let images: Int
  public let layers: Int
  /// Heads per layer.
  public let heads: Int
  public let resamples: Int

  /// measure * layer * head.
  let valueCount: Int
  /// Sums over the samples drawn, eight values to a vector. - Shape: [resample, vectors]
  private var sums: [SIMD8<Double>]
  /// How many samples were drawn. - Shape: [resample]
  private var sampleCounts: [Int]
  /// How often each image is drawn. - Shape: [image, resample]
  private let draws: [UInt8]
  private var added = 0
  /// Images not yet in `sums`. - Shape: [vectors, imagesPerBlock]
  private var block: [SIMD8<Double>]
  private var blockCount = 0

  private static let imagesPerBlock = 64
  private var vectors: Int { (valueCount + 7) / 8 }

  /// - Throws: `HeadImpactError` where a number is out of range.
  public init(images: Int, layers: Int, heads: Int, resamples: Int = 1000, seed: UInt64 = 0) throws {
    guard images > 0, SampleImpact.sizes.contains(layers), SampleImpact.sizes.contains(heads) else {
      throw HeadImpactError("a bootstrap over \(images) images, \(layers) layers and \(heads) heads: nothing to draw")
    }
    guard Self.resampleCounts.contains(resamples) else {
      throw HeadImpactError("\(resamples) bootstrap resamples; must be in \(Self.resampleCounts)")
    }
    self.images = images
    self.layers = layers
    self.heads = heads
    self.resamples = resamples
    valueCount = Measure.allCases.count * layers * heads
    sums = [SIMD8<Double>](repeating: SIMD8(), count: resamples * ((valueCount + 7) / 8))
    sampleCounts = [Int](repeating: 0, count: resamples)
    block = [SIMD8<Double>](repeating: SIMD8(), count: (valueCount + 7) / 8 * Self.imagesPerBlock)
    draws = Self.draws(images: images, resamples: resamples, random: SplitMix64(seed: seed))
  }

  /// How often each image is drawn, [image, resample]. A byte is enough: that one image is drawn 256 times has a chance under 1 in 10^500.
  static func draws(images: Int, resamples: Int, random: SplitMix64) -> [UInt8] {
    var draws = [UInt8](repeating: 0, count: images * resamples)
    draws.withUnsafeMutableBufferPointer { draws in
      for resample in 0..<resamples {
        for draw in 0..<images {
          let image = random.below(images, counter: UInt64(resample) &* UInt64(images) &+ UInt64(draw))
          let at = image * resamples + resample
          draws[at] = max(draws[at], draws[at] &+ 1)
        }
      }
    }
    return draws
  }

  /// Adds the next image, with all its samples.
  ///
  /// - Throws: `HeadImpactError` where there is no sample, one is of another image or shape, or all images have been added.
  public mutating func add(samplesOfOneImage samples: [SampleImpact]) throws {
    guard let first = samples.first else {
      throw HeadImpactError("a bootstrap image needs at least one sample")
    }
    var sums = [Double](repeating: 0, count: valueCount)
    for sample in samples.sorted(by: { $0.annotationID < $1.annotationID }) {
      guard sample.imageID == first.imageID, sample.hi.count == valueCount else {
        throw HeadImpactError(
          "sample \(sample.annotationID) of image \(sample.imageID) has \(sample.hi.count) values; expected were "
            + "\(valueCount), of image \(first.imageID)")
      }
      for i in sums.indices { sums[i] += sample.hi[i] }
    }
    try add(sums: sums, samples: samples.count)
  }

  /// Adds the next image, by the sums of its samples' HI.
  ///
  /// - Parameters:
  ///   - sums: [measure, layer, head], summed over the image's samples.
  ///   - samples: how many there are, at least 1.
  /// - Throws: `HeadImpactError` where the shape is another or all images have been added.
  public mutating func add(sums imageSums: [Double], samples: Int) throws {
    guard added < images else {
      throw HeadImpactError("the bootstrap was set up for \(images) images; this is one more")
    }
    guard imageSums.count == valueCount, samples > 0 else {
      throw HeadImpactError(
        "an image of \(samples) samples with \(imageSums.count) values; expected were \(valueCount) values")
    }
    for (i, value) in imageSums.enumerated() { block[i / 8 * Self.imagesPerBlock + blockCount][i % 8] = value }
    for resample in 0..<resamples { sampleCounts[resample] += samples * Int(draws[added * resamples + resample]) }
    added += 1
    blockCount += 1
    if blockCount == Self.imagesPerBlock { addBlock() }
  }

  /// The matrix product of the block's draws and values, added to `sums`.
  ///
  /// Every sum adds its images in order, whatever the processor: vectors run over values, never over images.
  private mutating func addBlock() {
    let count = blockCount
    let perBlock = Self.imagesPerBlock
    let vectors = vectors
    let first = added - count
    var weights = [Double](repeating: 0, count: resamples * perBlock)
    for image in 0..<count {
      for resample in 0..<resamples {
        weights[resample * perBlock + image] = Double(draws[(first + image) * resamples + resample])
      }
    }
    weights.withUnsafeBufferPointer { weights in
      block.withUnsafeBufferPointer { block in
        sums.withUnsafeMutableBufferPointer { sums in
          for vector in 0..<vectors {
            let values = UnsafeBufferPointer(rebasing: block[(vector * perBlock)..<((vector + 1) * perBlock)])
            // Two resamples at once, for each value read; a last odd one is done twice over.
            for pair in stride(from: 0, to: resamples, by: 2) {
              let other = min(pair + 1, resamples - 1)
              var a = sums[pair * vectors + vector]
              var b = sums[other * vectors + vector]
              for image in 0..<count {
                let value = values[image]
                a += value * weights[pair * perBlock + image]
                b += value * weights[other * perBlock + image]
              }
              sums[pair * vectors + vector] = a
              sums[other * vectors + vector] = b
            }
          }
        }
      }
    }
    blockCount = 0
  }

  /// The intervals, once every image has been added.
  ///
  /// - Parameter topLayers: k of `BootstrapIntervals.layerTopFrequency`; at least 1, taken as `layers` where greater.
  /// - Throws: `HeadImpactError` where images are missing.
  public mutating func confidence(topLayers: Int) throws -> BootstrapIntervals {
    guard added == images, topLayers > 0 else {
      throw HeadImpactError("the bootstrap was set up for \(images) images and got \(added) (top \(topLayers) layers)")
    }
    addBlock()
    let vectors = vectors
    return BootstrapIntervals(
      layers: layers, heads: heads, topLayers: min(topLayers, layers),
      replicates: (0..<resamples).map { resample in
        let samples = Double(sampleCounts[resample])
        return (0..<valueCount).map { sums[resample * vectors + $0 / 8][$0 % 8] / samples }
      })
  }
}

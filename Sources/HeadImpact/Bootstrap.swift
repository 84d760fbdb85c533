/// The uncertainty of Head Impact: the dataset's images are resampled with replacement many times.
///
/// Images are drawn, not samples: the samples of one image are not independent. A resample's HI is its sum over samples
/// by its number of samples. Draw j of resample r, of n images, is number r * n + j of `SplitMix64(seed)`, brought to
/// 0..<n. The images must come in the same order (ascending id) wherever the same bits are required.
///
/// Give it the images one by one, then take the result:
///
///     var bootstrap = try Bootstrap(images: n, layers: L, heads: H, resamples: 1000, seed: 0)
///     for image in images { try bootstrap.add(samplesOfOneImage: …) }
///     let intervals = try bootstrap.intervals(topLayers: 3)
///
/// Several of them, each with some of the rows (a measure of a layer) and all images, give what one does: no sum crosses
/// from one head to another, so the bits depend neither on the rows nor on the threads.
///
/// - Complexity: O(images * resamples * values) multiplications; memory for resamples * (images / 8 + values) Doubles.
public struct Bootstrap {
  /// Runs `body(task)` for every task in `0..<tasks`, in any order, perhaps at the same time.
  public typealias ParallelLoop = (_ tasks: Int, _ body: (_ task: Int) -> Void) -> Void

  /// How many resamples there may be.
  public static let resampleCounts = 1...100_000

  public let images: Int
  public let layers: Int
  /// Heads per layer.
  public let heads: Int
  public let resamples: Int
  /// Which rows it has: row r is layer `r % layers` of measure `r / layers`.
  public let rows: Range<Int>
  private let parallel: ParallelLoop

  /// row * head.
  public let valueCount: Int
  /// Sums over the samples drawn, eight values to a vector. - Shape: [resample, vectors]
  private var sums: [SIMD8<Double>]
  /// How many samples were drawn. - Shape: [resample]
  private var sampleCounts: [Int]
  /// How many of them are not in a sum; empty while all are in all. - Shape: [resample, value]
  private var leftOut: [Int32] = []
  /// How often each image is drawn. - Shape: [image, resample]
  private let draws: [UInt8]
  private var added = 0
  /// Images not yet in `sums`. - Shape: [vectors, imagesPerBlock]
  private var block: [SIMD8<Double>]
  private var blockCount = 0

  private static let imagesPerBlock = 64
  private var vectors: Int { (valueCount + 7) / 8 }

  /// - Parameters:
  ///   - rows: which of the rows to sum up; all of them by default.
  ///   - other: whose draws to take, which are the same: one of as many images and resamples, and of this seed.
  ///   - parallel: spreads the work over threads.
  /// - Throws: `HeadImpactError` if a number is out of range.
  public init(
    images: Int, layers: Int, heads: Int, resamples: Int = 1000, rows: Range<Int>? = nil, seed: UInt64 = 0,
    drawsOf other: Bootstrap? = nil,
    parallel: @escaping ParallelLoop = { tasks, body in for task in 0..<tasks { body(task) } }
  ) throws {
    guard images > 0, SampleImpact.sizes.contains(layers), SampleImpact.sizes.contains(heads) else {
      throw HeadImpactError("a bootstrap over \(images) images, \(layers) layers and \(heads) heads: nothing to draw")
    }
    guard Self.resampleCounts.contains(resamples) else {
      throw HeadImpactError("\(resamples) bootstrap resamples; must be in \(Self.resampleCounts)")
    }
    let rows = rows ?? 0..<Measure.allCases.count * layers
    precondition(rows.lowerBound >= 0 && rows.upperBound <= Measure.allCases.count * layers)
    self.images = images
    self.layers = layers
    self.heads = heads
    self.resamples = resamples
    self.rows = rows
    self.parallel = parallel
    valueCount = rows.count * heads
    let vectors = (valueCount + 7) / 8
    sums = [SIMD8<Double>](repeating: SIMD8(), count: resamples * vectors)
    sampleCounts = [Int](repeating: 0, count: resamples)
    block = [SIMD8<Double>](repeating: SIMD8(), count: vectors * Self.imagesPerBlock)
    if let other {
      precondition(other.images == images && other.resamples == resamples && other.rows.isEmpty == rows.isEmpty)
      draws = other.draws
      return
    }
    draws =
      rows.isEmpty
      ? [] : Self.draws(images: images, resamples: resamples, random: SplitMix64(seed: seed), parallel: parallel)
  }

  /// How often each image is drawn, [image, resample]. A byte is enough: that one image is drawn 256 times has a chance
  /// under 1 in 10^500.
  static func draws(
    images: Int, resamples: Int, random: SplitMix64,
    parallel: ParallelLoop = { tasks, body in for task in 0..<tasks { body(task) } }
  ) -> [UInt8] {
    var draws = [UInt8](repeating: 0, count: images * resamples)
    draws.withUnsafeMutableBufferPointer { draws in
      // A cache line of resamples a task: no two tasks write to one line.
      parallel((resamples + 63) / 64) { task in
        for resample in 64 * task..<min(64 * (task + 1), resamples) {
          for draw in 0..<images {
            let image = random.below(images, counter: UInt64(resample) &* UInt64(images) &+ UInt64(draw))
            let at = image * resamples + resample
            draws[at] = max(draws[at], draws[at] &+ 1)
          }
        }
      }
    }
    return draws
  }

  /// Adds the next image, with all its samples.
  ///
  /// - Throws: as `ImageSums.init(samples:)` and `add(_:)`.
  public mutating func add(samplesOfOneImage samples: [SampleImpact]) throws { try add(ImageSums(samples: samples)) }

  /// Adds the next image.
  ///
  /// - Parameter image: its sums of these rows.
  /// - Throws: `HeadImpactError` if the shape is another or all images have been added.
  public mutating func add(_ image: ImageSums) throws {
    let (imageSums, samples) = (image.sums, image.samples)
    guard added < images else {
      throw HeadImpactError("the bootstrap was set up for \(images) images; this is one more")
    }
    guard imageSums.count == valueCount, samples > 0 else {
      throw HeadImpactError(
        "an image of \(samples) samples with \(imageSums.count) values; expected were \(valueCount) values")
    }
    added += 1
    guard valueCount > 0 else { return }
    for (i, value) in imageSums.enumerated() { block[i / 8 * Self.imagesPerBlock + blockCount][i % 8] = value }
    for resample in 0..<resamples { sampleCounts[resample] += samples * Int(draws[(added - 1) * resamples + resample]) }
    if !image.leftOut.isEmpty { leaveOut(image.leftOut) }
    blockCount += 1
    if blockCount == Self.imagesPerBlock { addBlock() }
  }

  /// Counts the samples of the image added last that are not in its sums.
  private mutating func leaveOut(_ counts: [Int32]) {
    if leftOut.isEmpty { leftOut = [Int32](repeating: 0, count: resamples * valueCount) }
    for resample in 0..<resamples {
      let times = Int32(draws[(added - 1) * resamples + resample])
      guard times > 0 else { continue }
      for (value, count) in counts.enumerated() { leftOut[resample * valueCount + value] += times * count }
    }
  }

  /// The matrix product of the block's draws and values, added to `sums`.
  ///
  /// Every sum adds its images in order, whatever the processor: vectors run over values, never over images.
  private mutating func addBlock() {
    let count = blockCount
    let perBlock = Self.imagesPerBlock
    let (vectors, resamples, parallel, draws) = (vectors, resamples, parallel, draws)
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
          // Some of the resamples of one vector a task.
          let (atATime, groups) = (128, (resamples + 127) / 128)
          parallel(vectors * groups) { task in
            let (vector, group) = (task / groups, task % groups)
            let values = UnsafeBufferPointer(rebasing: block[(vector * perBlock)..<((vector + 1) * perBlock)])
            // Two resamples at once, for each value read; if their number is odd, the last one is done twice.
            for pair in stride(from: atATime * group, to: min(atATime * (group + 1), resamples), by: 2) {
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

  /// The replicates, once every image has been added: HI of each resample; NaN where it has no sample with a value.
  ///
  /// - Shape: [resample, row, head]
  /// - Throws: `HeadImpactError` if images are missing.
  public mutating func replicates() throws -> [Double] {
    guard added == images else {
      throw HeadImpactError("the bootstrap was set up for \(images) images and got \(added)")
    }
    addBlock()
    let vectors = vectors
    var replicates: [Double] = []
    replicates.reserveCapacity(resamples * valueCount)
    for resample in 0..<resamples {
      let samples = sampleCounts[resample]
      for value in 0..<valueCount {
        let without = leftOut.isEmpty ? 0 : Int(leftOut[resample * valueCount + value])
        replicates.append(sums[resample * vectors + value / 8][value % 8] / Double(samples - without))
      }
    }
    return replicates
  }

  /// The intervals of its rows, once every image has been added.
  ///
  /// - Throws: `HeadImpactError` if images are missing.
  public mutating func part() throws -> BootstrapIntervals.Part {
    BootstrapIntervals.Part(
      rows: rows, heads: heads, resamples: resamples, replicates: try replicates(), parallel: parallel)
  }

  /// The intervals, of a bootstrap of all rows, once every image has been added.
  ///
  /// - Parameter topLayers: k of `BootstrapIntervals.layerTopFrequency`; at least 1, taken as `layers` where greater.
  /// - Throws: `HeadImpactError` if images are missing.
  public mutating func intervals(topLayers: Int) throws -> BootstrapIntervals {
    try BootstrapIntervals(layers: layers, heads: heads, topLayers: topLayers, parts: [part()])
  }
}

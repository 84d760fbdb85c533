import HeadImpact

/// The heads of one run over the compared samples: their means, and those of every resample of the images.
public struct ScoredHeads: Sendable {
  public let layers: Int
  /// Heads per layer.
  public let heads: Int
  /// The mean over samples. - Shape: [layer, head]
  public let values: [Double]
  /// The mean of each resample; empty if there is one image only, which can't be resampled. - Shape: [resample, layer, head]
  public let replicates: [Double]
  /// The mean of each part that leaves out a third of the images; empty if there are fewer than three.
  /// - Shape: [part, layer, head]
  public let parts: [Double]
  /// Of each part, as `ThirdsLeftOut.scales`.
  let scales: [Double]
  /// The mean over an image's samples. - Shape: [image, layer, head]
  public let images: [Double]

  public var headCount: Int { layers * heads }
  public var imageCount: Int { images.count / headCount }

  /// Spearman's correlation of the heads' means in two halves of the images; nil if there are too few.
  public let reliability: Estimate?

  /// - Parameters:
  ///   - images: each with its samples' sums, [layer, head], of the same samples for every head; ascending by image id, the
  ///     same images for runs of one group.
  ///   - seed: of the bootstrap: runs of one group must have the same, so that they draw the same images.
  /// - Throws: `HeadImpactError` if a number is out of range; `ComparisonError` if a value is not finite.
  public init(
    name: String, layers: Int, heads: Int, images: [ImageScores], resamples: Int, seed: UInt64,
    parallel: @escaping Bootstrap.ParallelLoop = { tasks, body in for task in 0..<tasks { body(task) } }
  ) throws {
    let size = layers * heads
    var sums = [Double](repeating: 0, count: size)
    var samples = 0
    var means: [Double] = []
    means.reserveCapacity(images.count * size)
    for image in images {
      precondition(image.sums.count == size && image.samples > 0)
      for (index, value) in image.sums.enumerated() {
        sums[index] += value
        means.append(value / Double(image.samples))
      }
      samples += image.samples
    }
    guard samples > 0 else { throw ComparisonError("\(name): has no sample to compare") }
    self.layers = layers
    self.heads = heads
    self.images = means
    values = sums.map { $0 / Double(samples) }
    if let index = values.firstIndex(where: { !$0.isFinite }) {
      throw ComparisonError(
        "\(name): the mean of head \(Selection.Head(layer: index / heads, head: index % heads)) is \(values[index]); "
          + "it must be finite")
    }
    guard images.count > 1 else {
      (replicates, parts, scales, reliability) = ([], [], [], nil)
      return
    }
    let thirds = ThirdsLeftOut(images: images.count, subsets: resamples, seed: seed)
    parts = thirds.means(images.map(\.sums), counts: images.map { Double($0.samples) }, parallel: parallel)
    scales = thirds.scales
    reliability =
      size < 2
      ? nil
      : Estimate(
        try Reliability(images: images, top: 1, points: 1, seed: seed, parallel: parallel).whole.rankCorrelation)
    var bootstrap = try Bootstrap(
      images: images.count, layers: layers, heads: heads, resamples: resamples, rows: 0..<layers, seed: seed,
      parallel: parallel)
    for image in images { try bootstrap.add(ImageSums(sums: image.sums, samples: image.samples)) }
    replicates = try bootstrap.replicates()
  }

  public var resamples: Int { replicates.count / headCount }

  /// The values of one resample. - Shape: [layer, head]
  public func replicate(_ resample: Int) -> [Double] {
    Array(replicates[resample * headCount..<(resample + 1) * headCount])
  }

  /// The values of one part. - Shape: [layer, head]
  func part(_ part: Int) -> [Double] { Array(parts[part * headCount..<(part + 1) * headCount]) }

  /// The mean over each layer's heads. - Shape: [layer]
  public func layerScores(_ values: [Double]) -> [Double] {
    (0..<layers).map { values[$0 * heads..<($0 + 1) * heads].reduce(0, +) / Double(heads) }
  }

  /// Those of two runs, of which independent ones may have other numbers of images: the mean of both.
  static func scales(_ first: ScoredHeads, _ second: ScoredHeads) -> [Double] {
    zip(first.scales, second.scales).map { ($0 + $1) / 2 }
  }

  /// All heads, the best first; ties go to the lower index.
  public func order(_ values: [Double]) -> [Int] {
    values.indices.sorted { values[$0] > values[$1] || (values[$0] == values[$1] && $0 < $1) }
  }

  public func head(_ index: Int) -> Selection.Head { Selection.Head(layer: index / heads, head: index % heads) }
}

extension ImageScores {
  /// How many samples there are, the same for every head.
  fileprivate var samples: Int { Int(counts.first ?? 0) }
}

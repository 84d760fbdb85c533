extension HeadImpactStatistics {
  /// All of a run's images at once, on one thread: the bits that ranks and threads together give.
  ///
  /// - Parameter images: ascending by id, at least one.
  /// - Throws: `HeadImpactError` if images have other shapes than `layers` and `heads` make, or a number is out of range.
  public init(
    images: [ImageImpact], layers: Int, heads: Int, topLayers: Int, resamples: Int = 1000, seed: UInt64 = 0
  ) throws {
    var hi = try Bootstrap(images: images.count, layers: layers, heads: heads, resamples: resamples, seed: seed)
    var corrected = try Bootstrap(
      images: images.count, layers: layers, heads: heads, resamples: resamples, seed: seed, drawsOf: hi)
    var test = try SignFlipTest(
      images: images.count, values: Measure.allCases.count * layers * heads, tests: layers * heads,
      seed: seed)
    for image in images {
      try hi.add(image.hi)
      try corrected.add(image.corrected)
      try test.add(image.difference)
    }
    self.init(
      intervals: try hi.intervals(topLayers: topLayers),
      correctedIntervals: try corrected.intervals(topLayers: topLayers),
      beyondChance: try BeyondChance(
        layers: layers, heads: heads, images: images.count, p: test.pValues(), difference: test.means()))
  }
}

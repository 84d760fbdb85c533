/// The HI of one image's samples, added up: what the bootstrap draws.
public struct ImageSums: Sendable, Equatable {
  /// - Shape: [measure, layer, head].
  public let sums: [Double]
  /// How many samples there are, at least 1.
  public let samples: Int

  public init(sums: [Double], samples: Int) {
    self.sums = sums
    self.samples = samples
  }

  /// The sums, in the order of the samples' ids.
  ///
  /// - Throws: `HeadImpactError` if there is no sample, or one is of another image or shape than the others.
  public init(samples: [SampleImpact]) throws {
    guard let first = samples.first else {
      throw HeadImpactError("a bootstrap image needs at least one sample")
    }
    var sums = [Double](repeating: 0, count: first.hi.count)
    for sample in samples.sorted(by: { $0.annotationID < $1.annotationID }) {
      guard sample.imageID == first.imageID, sample.hi.count == sums.count else {
        throw HeadImpactError(
          "sample \(sample.annotationID) of image \(sample.imageID) has \(sample.hi.count) values; expected were "
            + "\(sums.count), of image \(first.imageID)")
      }
      for i in sums.indices { sums[i] += sample.hi[i] }
    }
    self.init(sums: sums, samples: samples.count)
  }
}

/// The values of one image's samples, added up: what the bootstrap draws.
public struct ImageSums: Sendable, Equatable {
  /// - Shape: [measure, layer, head].
  public let sums: [Double]
  /// How many samples there are, at least 1.
  public let samples: Int
  /// How many of the samples have no such value and are not in the sum; empty where all have. - Shape: as `sums`
  public let leftOut: [Int32]

  public init(sums: [Double], samples: Int, leftOut: [Int32] = []) {
    precondition(leftOut.isEmpty || leftOut.count == sums.count)
    self.sums = sums
    self.samples = samples
    self.leftOut = leftOut
  }

  /// The sums of HI, in the order of the samples' ids.
  ///
  /// - Throws: as `ImageImpact.init(samples:)`.
  public init(samples: [SampleImpact]) throws { self = try ImageImpact(samples: samples).hi }
}

/// One image's part in all that is said of a run besides means: in the bootstraps and in the test of each head.
public struct ImageImpact: Sendable, Equatable {
  public let hi: ImageSums
  /// Corrected for chance.
  public let corrected: ImageSums
  /// The mean of value - chance. - Shape: [measure, layer, head]
  public let difference: [Double]

  public init(hi: ImageSums, corrected: ImageSums, difference: [Double]) {
    (self.hi, self.corrected, self.difference) = (hi, corrected, difference)
  }

  /// The sums, in the order of the samples' ids.
  ///
  /// - Throws: `HeadImpactError` if there is no sample, or one is of another image or shape than the others.
  public init(samples: [SampleImpact]) throws {
    guard let first = samples.first else {
      throw HeadImpactError("a bootstrap image needs at least one sample")
    }
    var hi = [Double](repeating: 0, count: first.hi.count)
    var (corrected, difference) = (hi, hi)
    var leftOut = [Int32](repeating: 0, count: hi.count)
    for sample in samples.sorted(by: { $0.annotationID < $1.annotationID }) {
      guard sample.imageID == first.imageID, sample.hi.count == hi.count else {
        throw HeadImpactError(
          "sample \(sample.annotationID) of image \(sample.imageID) has \(sample.hi.count) values; expected were "
            + "\(hi.count), of image \(first.imageID)")
      }
      var hiSums = hi.mutableSpan
      var correctedSums = corrected.mutableSpan
      var differences = difference.mutableSpan
      let (values, chances) = (sample.hi.span, sample.chance.span)
      for i in values.indices {
        let (value, chance) = (values[i], chances[i])
        hiSums[i] += value
        differences[i] += value - chance
        if let value = correctedForChance(value, chance: chance) { correctedSums[i] += value } else { leftOut[i] += 1 }
      }
    }
    let count = samples.count
    self.init(
      hi: ImageSums(sums: hi, samples: count),
      corrected: ImageSums(
        sums: corrected, samples: count, leftOut: leftOut.contains { $0 != 0 } ? leftOut : []),
      difference: count == 1 ? difference : difference.map { $0 / Double(count) })
  }
}

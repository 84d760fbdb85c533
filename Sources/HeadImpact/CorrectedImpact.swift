/// Head Impact corrected for chance, over a dataset.
public struct CorrectedImpact: Sendable, Equatable {
  /// The mean over samples of `correctedForChance(_:chance:)`; NaN where every sample is left out.
  /// - Shape: [measure, layer, head]; so too the next two.
  public let hi: [Double]
  /// The standard error of `hi`; NaN for fewer than two samples.
  public let stderr: [Double]
  /// How many samples the mean is over: all but those whose chance is 1.
  public let samples: [Int]

  public init(hi: [Double], stderr: [Double], samples: [Int]) {
    (self.hi, self.stderr, self.samples) = (hi, stderr, samples)
  }
}

extension HeadImpactTable {
  /// The values that heads are ranked by.
  ///
  /// - Shape: [layer, head]
  /// - Throws: `HeadImpactError` if corrected values are asked for and the file, being of version 1, has none.
  public func scores(_ ranked: RankedMeasure) throws -> [Double] {
    try slice(ranked.isCorrected ? requiredCorrected().hi : hi, ranked.measure)
  }

  /// The standard errors of `scores(_:)`.
  ///
  /// - Shape: [layer, head]
  /// - Throws: as `scores(_:)`.
  public func stderrs(_ ranked: RankedMeasure) throws -> [Double] {
    try slice(ranked.isCorrected ? requiredCorrected().stderr : stderr, ranked.measure)
  }

  /// The mean of each layer's heads.
  ///
  /// - Shape: [layer]
  /// - Throws: as `scores(_:)`.
  public func layerScores(_ ranked: RankedMeasure) throws -> [Double] {
    let scores = try scores(ranked)
    return (0..<layers).map { scores[$0 * heads..<($0 + 1) * heads].reduce(0, +) / Double(heads) }
  }

  private func slice(_ values: [Double], _ measure: Measure) -> [Double] {
    let first = index(measure, layer: 0, head: 0)
    return Array(values[first..<first + layers * heads])
  }

  private func requiredCorrected() throws -> CorrectedImpact {
    guard let corrected else {
      throw HeadImpactError(
        "there is no Head Impact corrected for chance in a file of version 1: score again, or rank without --corrected")
    }
    return corrected
  }
}

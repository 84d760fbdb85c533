/// How sure a ratio of two sums over images is, such as a mean over tokens: the bootstrap of `Bootstrap`, with the same
/// draws.
///
/// A difference of two runs over the same images is such a ratio too, its numerators being the differences: then the
/// interval is a paired one.
public struct RatioInterval: Sendable, Equatable {
  /// The bounds of the 95% interval, 2.5% and 97.5%.
  public let lower: Double
  public let upper: Double

  /// - Parameters:
  ///   - numerators: one an image, in the order that the same bits are wanted for (ascending id).
  ///   - denominators: of the same images, above zero.
  /// - Throws: `HeadImpactError` if a number is out of range.
  public init(numerators: [Double], denominators: [Double], resamples: Int = 1000, seed: UInt64 = 0) throws {
    let images = numerators.count
    guard images > 0, denominators.count == images, denominators.allSatisfy({ $0 > 0 }) else {
      throw HeadImpactError(
        "a bootstrap over \(images) sums and \(denominators.count) weights: there must be one each, above 0")
    }
    guard Bootstrap.resampleCounts.contains(resamples) else {
      throw HeadImpactError("\(resamples) bootstrap resamples; must be in \(Bootstrap.resampleCounts)")
    }
    let draws = Bootstrap.draws(images: images, resamples: resamples, random: SplitMix64(seed: seed))
    let ratios = (0..<resamples).map { resample in
      var (numerator, denominator) = (0.0, 0.0)
      for image in 0..<images {
        let times = Double(draws[image * resamples + resample])
        numerator += times * numerators[image]
        denominator += times * denominators[image]
      }
      return numerator / denominator
    }.sorted()
    lower = percentile(BootstrapIntervals.percentiles[0], ofSorted: ratios)
    upper = percentile(BootstrapIntervals.percentiles[1], ofSorted: ratios)
  }
}

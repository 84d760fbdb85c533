import HeadImpact

/// The basis of a comparison: sums over an image's captions or questions, and the metrics of such sums.
protocol Resampled {
  /// What is drawn: images. Ascending by place in the file; the same of both results.
  var units: [Int64] { get }
  /// The metrics' names, in the order in which they are shown.
  var comparedMetrics: [String] { get }
  /// How many sums each unit has.
  var columns: Int { get }
  /// - Shape: [unit, column]
  var sums: [Double] { get }
  /// The metrics of sums over some units. - Shape: [metric]
  func metrics(ofSums sums: [Double], units: Int) -> [Double]
}

/// Resamples images with replacement, the same for both results, many times over.
///
/// Draw j of resample r, of n images, is number r * n + j of `SplitMix64(seed)`, brought to 0..<n: as `Bootstrap`'s of
/// Head Impact.
struct PairedBootstrap {
  let resamples: Int
  let seed: UInt64

  /// The metrics of both results in each resample.
  ///
  /// - Returns: [resample] of [metric], of each.
  func replicates(_ results: some Resampled, _ baseline: some Resampled) -> [(result: [Double], baseline: [Double])] {
    let random = SplitMix64(seed: seed)
    let units = results.units.count
    let (a, b) = (results.sums, baseline.sums)
    return (0..<resamples).map { resample in
      var draws = [Int](repeating: 0, count: units)
      for draw in 0..<units {
        draws[random.below(units, counter: UInt64(resample) &* UInt64(units) &+ UInt64(draw))] += 1
      }
      return (
        results.metrics(ofSums: Self.total(a, results.columns, draws), units: units),
        baseline.metrics(ofSums: Self.total(b, baseline.columns, draws), units: units)
      )
    }
  }

  /// The sums over units, each as often as it is drawn.
  static func total(_ sums: [Double], _ columns: Int, _ draws: [Int]) -> [Double] {
    var total = [Double](repeating: 0, count: columns)
    sums.withUnsafeBufferPointer { sums in
      for (unit, times) in draws.enumerated() where times > 0 {
        let row = unit * columns
        for column in 0..<columns { total[column] += Double(times) * sums[row + column] }
      }
    }
    return total
  }
}

import HeadImpact

/// One outcome by image: what it adds to the mean of each run, and by how much it counts.
struct AblationSums {
  let outcome: AblationOutcome
  /// Of the unmodified model, then of each ablation. - Shape: [1 + ablations] of [images].
  let sums: [[Double]]
  /// - Shape: [images].
  let weights: [Double]

  /// The losses, over supervised tokens.
  ///
  /// - Parameter units: those of which something could be used, ascending by image id.
  init(losses units: [UnitLosses], runs: Int) {
    outcome = .loss
    sums = (0..<runs).map { run in units.map { $0.outcomes.reduce(0) { $0 + ($1.losses?[run] ?? 0) } } }
    weights = units.map { Double($0.outcomes.reduce(0) { $0 + ($1.losses == nil ? 0 : $1.tokens) }) }
  }

  /// Of answers, over answers.
  init(_ scores: AblationReferences.Scores) {
    outcome = scores.outcome
    let images = Array(Set(scores.imageIDs)).sorted()
    let places = Dictionary(uniqueKeysWithValues: images.enumerated().map { ($1, $0) })
    func add(_ values: [Double]) -> [Double] {
      var sums = [Double](repeating: 0, count: images.count)
      for (id, value) in zip(scores.imageIDs, values) { if let place = places[id] { sums[place] += value } }
      return sums
    }
    sums = scores.values.map(add)
    weights = add([Double](repeating: 1, count: scores.imageIDs.count))
  }

  func mean(run: Int) -> Double { sums[run].reduce(0, +) / weights.reduce(0, +) }

  /// How far some runs are from the unmodified model on the average, and the 95% interval of that: paired bootstrap over images.
  ///
  /// - Parameter runs: from 1.
  /// - Throws: `HeadImpactError`.
  func difference(
    ofRuns runs: [Int], resamples: Int, seed: UInt64
  ) throws -> (value: Double, lower: Double, upper: Double) {
    let differences = weights.indices.map { image in
      runs.reduce(0) { $0 + (sums[$1][image] - sums[0][image]) } / Double(runs.count)
    }
    let interval = try RatioInterval(numerators: differences, denominators: weights, resamples: resamples, seed: seed)
    return (differences.reduce(0, +) / weights.reduce(0, +), interval.lower, interval.upper)
  }
}

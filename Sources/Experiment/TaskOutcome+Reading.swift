import Foundation

extension TaskOutcome {
  private enum CodingKeys: String, CodingKey {
    case task, mainMetric, metrics, images, arms, comparisons, warnings, percent
  }

  /// In files of older versions, exact matches of captions are shares of 1; they are made percent here.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    task = try values.decode(String.self, forKey: .task)
    mainMetric = try values.decode(String.self, forKey: .mainMetric)
    metrics = try values.decode([String].self, forKey: .metrics)
    images = try values.decode(Int.self, forKey: .images)
    warnings = try values.decode([String].self, forKey: .warnings)
    let arms = try values.decode([ArmScores].self, forKey: .arms)
    let comparisons = try values.decode([Comparison].self, forKey: .comparisons)
    let percent = try values.decodeIfPresent([String].self, forKey: .percent)
    let isOlder = percent == nil && task == ExperimentConfiguration.TaskData.Kind.captions.rawValue
    self.percent = percent ?? Self.percent(of: metrics)
    self.arms = isOlder ? arms.map(\.inPercent) : arms
    self.comparisons = isOlder ? comparisons.map(\.inPercent) : comparisons
  }
}

/// The metric whose scale changed.
private let exactMatch = "exact_match"

private func inPercent(_ scores: [String: Double]) -> [String: Double] {
  scores.merging(scores.filter { $0.key == exactMatch }.mapValues { 100 * $0 }) { $1 }
}

extension TaskOutcome.ArmScores {
  fileprivate var inPercent: Self {
    Self(
      arm: arm, scores: Experiment.inPercent(scores),
      seeds: seeds?.map { Seed(seed: $0.seed, scores: Experiment.inPercent($0.scores)) })
  }
}

extension TaskOutcome.Difference {
  fileprivate var inPercent: Self {
    guard metric == exactMatch else { return self }
    return Self(metric: metric, difference: 100 * difference, lower: 100 * lower, upper: 100 * upper)
  }
}

extension TaskOutcome.Comparison {
  fileprivate var inPercent: Self {
    Self(
      arm: arm, baseline: baseline, differences: differences.map(\.inPercent),
      seeds: seeds?.map { Seed(seed: $0.seed, differences: $0.differences.map(\.inPercent)) })
  }
}

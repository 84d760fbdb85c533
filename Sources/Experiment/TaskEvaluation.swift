import COCO
import Evaluation
import Foundation
import IO

/// Evaluates the results of all arms on one task.
struct TaskEvaluation {
  private let task: ExperimentConfiguration.TaskData
  private let configuration: ExperimentConfiguration
  private let folder: ExperimentFolder

  private var arms: [Arm] { configuration.arms }

  init(
    _ task: ExperimentConfiguration.TaskData, _ configuration: ExperimentConfiguration, folder: ExperimentFolder
  ) {
    self.task = task
    self.configuration = configuration
    self.folder = folder
  }

  /// Which arm is compared with which.
  private var pairs: [(arm: Arm, baseline: Arm)] {
    let shifts = arms.filter { $0 != .pretrained }.map { (arm: $0, baseline: Arm.pretrained) }
    guard arms.contains(.top) else { return shifts }
    return shifts + arms.filter { $0 != .top && $0 != .pretrained }.map { (arm: .top, baseline: $0) }
  }

  /// - Throws: what `EvaluationRun` throws.
  func outcome() throws -> TaskOutcome {
    let alone = try arms.map { arm in try configuration.runs(of: arm).map { try run($0, baseline: nil) } }
    let scores = zip(arms, alone).map { armScores($0, $1) }
    let metrics = task.kind == .captions ? Self.captionMetrics : ["accuracy", "exact_match"]
    let known = metrics.filter { scores.first?.scores[$0] != nil }
    let first = alone.first?.first
    return TaskOutcome(
      task: task.kind.rawValue, mainMetric: known.first ?? "", metrics: known, images: Self.images(first),
      arms: scores, comparisons: try pairs.map { try comparison($0.arm, $0.baseline) },
      warnings: first?.warnings ?? [])
  }

  private func armScores(_ arm: Arm, _ reports: [EvaluationReport]) -> TaskOutcome.ArmScores {
    let scores = reports.map(Self.scores)
    guard scores.count > 1 else { return TaskOutcome.ArmScores(arm: arm.name, scores: scores.first ?? [:]) }
    let metrics = Set(scores.flatMap(\.keys)).filter { name in scores.allSatisfy { $0[name] != nil } }
    let means = metrics.map { name in
      (name, scores.reduce(0) { $0 + ($1[name] ?? 0) } / Double(scores.count))
    }
    return TaskOutcome.ArmScores(
      arm: arm.name, scores: Dictionary(uniqueKeysWithValues: means),
      seeds: zip(configuration.runs(of: arm), scores).map { TaskOutcome.ArmScores.Seed(seed: $0.seed, scores: $1) })
  }

  /// Trainings with the same seed saw the same data in the same order, so they are compared with each other.
  private func comparison(_ arm: Arm, _ baseline: Arm) throws -> TaskOutcome.Comparison {
    let (runs, others) = (configuration.runs(of: arm), configuration.runs(of: baseline))
    let seeds = try runs.enumerated().map { place, run in
      let other = others.count == 1 ? others[0] : others[place]
      return TaskOutcome.Comparison.Seed(
        seed: run.seed,
        differences: (try self.run(run, baseline: other).comparison?.differences ?? []).map {
          TaskOutcome.Difference(metric: $0.metric, difference: $0.difference, lower: $0.lower, upper: $0.upper)
        })
    }
    let over = seeds[0].differences.compactMap { difference -> TaskOutcome.Difference? in
      let same = seeds.compactMap { seed in seed.differences.first { $0.metric == difference.metric } }
      return same.count == seeds.count ? TaskOutcome.Difference(over: same) : nil
    }
    return TaskOutcome.Comparison(
      arm: arm.name, baseline: baseline.name, differences: over, seeds: seeds.count > 1 ? seeds : nil)
  }

  /// The main one first.
  private static let captionMetrics = ["CIDEr", "Bleu_4", "ROUGE_L", "Bleu_1", "token_F1", "exact_match"]

  private func run(_ arm: ArmRun, baseline: ArmRun?) throws -> EvaluationReport {
    let subject: EvaluationRun.Subject =
      switch task.kind {
      case .captions: .captions(references: fileURL(task.references ?? task.test.dataset), meteor: nil)
      case .questions:
        .questions(fileURL(task.test.dataset), annotations: task.test.annotations.map(fileURL), dialect: .official)
      }
    var run = EvaluationRun(
      subject, results: folder.results(task.kind, arm),
      baseline: baseline.map { folder.results(task.kind, $0) })
    // A limited test set has no texts for the rest.
    run.isPartial = true
    run.resamples = configuration.evaluate.resamples
    run.seed = UInt64(configuration.seed)
    return try run.run()
  }

  private static func scores(_ report: EvaluationReport) -> [String: Double] {
    if let captions = report.captions {
      return Dictionary(uniqueKeysWithValues: captions.scores.map { ($0.key.rawValue, $0.value) })
    }
    guard let answers = report.answers else { return [:] }
    var scores = ["exact_match": answers.exactMatch]
    scores["accuracy"] = answers.accuracy
    return scores
  }

  private static func images(_ report: EvaluationReport?) -> Int {
    report?.captions?.imageIDs.count ?? Set(report?.answers?.imageIDs ?? []).count
  }
}

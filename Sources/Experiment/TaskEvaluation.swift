import COCO
import Evaluation
import Foundation
import IO

/// The metrics of the arms' texts on one task, and their differences: a pure value.
public struct TaskOutcome: Codable, Sendable, Equatable {
  public struct ArmScores: Codable, Sendable, Equatable {
    public let arm: String
    public let scores: [String: Double]
  }

  /// One arm against another, by the paired bootstrap over images.
  public struct Comparison: Codable, Sendable, Equatable {
    public let arm: String
    public let baseline: String
    public let differences: [Difference]
  }

  public struct Difference: Codable, Sendable, Equatable {
    public let metric: String
    public let difference: Double
    /// The 95% interval.
    public let lower: Double
    public let upper: Double
  }

  public let task: String
  /// The metric of the conclusion.
  public let mainMetric: String
  /// In the order in which they are shown.
  public let metrics: [String]
  public let images: Int
  public let arms: [ArmScores]
  /// Every arm against `pretrained`, and `top` against the others.
  public let comparisons: [Comparison]
  /// Warnings for the reader of the numbers.
  public let warnings: [String]

  public func difference(_ arm: String, from baseline: String, _ metric: String) -> Difference? {
    comparisons.first { ($0.arm, $0.baseline) == (arm, baseline) }?.differences.first { $0.metric == metric }
  }

  public func score(_ arm: String, _ metric: String) -> Double? { arms.first { $0.arm == arm }?.scores[metric] }

  func write(to url: URL) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(encoder.encode(self), to: url)
  }

  /// - Throws: `ExperimentError` naming the file.
  init(contentsOf url: URL) throws {
    do { self = try JSONDecoder().decode(Self.self, from: Data(InputFile.read(url))) } catch {
      throw ExperimentError("\(url.path): is not an outcome of a task: \(error)")
    }
  }

  init(
    task: String, mainMetric: String, metrics: [String], images: Int, arms: [ArmScores], comparisons: [Comparison],
    warnings: [String]
  ) {
    self.task = task
    self.mainMetric = mainMetric
    self.metrics = metrics
    self.images = images
    self.arms = arms
    self.comparisons = comparisons
    self.warnings = warnings
  }
}

/// Evaluates the results of all arms on one task.
struct TaskEvaluation {
  private let task: ExperimentConfiguration.TaskData
  private let arms: [Arm]
  private let resamples: Int
  private let seed: UInt64
  private let folder: ExperimentFolder

  init(
    _ task: ExperimentConfiguration.TaskData, arms: [Arm], resamples: Int, seed: UInt64, folder: ExperimentFolder
  ) {
    self.task = task
    self.arms = arms
    self.resamples = resamples
    self.seed = seed
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
    let alone = try arms.map { try run($0, baseline: nil) }
    let comparisons = try pairs.map { pair in
      TaskOutcome.Comparison(
        arm: pair.arm.name, baseline: pair.baseline.name,
        differences: (try run(pair.arm, baseline: pair.baseline).comparison?.differences ?? []).map {
          TaskOutcome.Difference(metric: $0.metric, difference: $0.difference, lower: $0.lower, upper: $0.upper)
        })
    }
    let scores = alone.map(Self.scores)
    let metrics = task.kind == .captions ? Self.captionMetrics : ["accuracy", "exact_match"]
    let known = metrics.filter { scores.first?[$0] != nil }
    return TaskOutcome(
      task: task.kind.rawValue, mainMetric: known.first ?? "", metrics: known, images: Self.images(alone.first),
      arms: zip(arms, scores).map { TaskOutcome.ArmScores(arm: $0.name, scores: $1) }, comparisons: comparisons,
      warnings: alone.first?.warnings ?? [])
  }

  /// The main one first.
  private static let captionMetrics = ["CIDEr", "Bleu_4", "ROUGE_L", "Bleu_1", "token_F1", "exact_match"]

  private func run(_ arm: Arm, baseline: Arm?) throws -> EvaluationReport {
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
    run.resamples = resamples
    run.seed = seed
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

import Evaluation
import Foundation
import IO

/// The metrics of the arms' texts on one task, and their differences: a pure value.
public struct TaskOutcome: Codable, Sendable, Equatable {
  public struct ArmScores: Codable, Sendable, Equatable {
    public let arm: String
    /// Means over the seeds of training.
    public let scores: [String: Double]
    /// Of each training; nil if there was one.
    public var seeds: [Seed]?

    public struct Seed: Codable, Sendable, Equatable {
      public let seed: Int
      public let scores: [String: Double]
    }
  }

  /// One arm against another, by the paired bootstrap over images.
  public struct Comparison: Codable, Sendable, Equatable {
    public let arm: String
    public let baseline: String
    /// Over all seeds of training.
    public let differences: [Difference]
    /// Of each training, against that of the baseline with the same seed; nil if there was one.
    public var seeds: [Seed]?

    public struct Seed: Codable, Sendable, Equatable {
      public let seed: Int
      public let differences: [Difference]
    }
  }

  public struct Difference: Codable, Sendable, Equatable {
    public let metric: String
    public let difference: Double
    /// The 95% interval.
    public let lower: Double
    public let upper: Double

    public init(metric: String, difference: Double, lower: Double, upper: Double) {
      (self.metric, self.difference) = (metric, difference)
      (self.lower, self.upper) = (lower, upper)
    }

    /// The mean of the seeds' differences, with an interval that holds those of all of them.
    init(over seeds: [Difference]) {
      self.init(
        metric: seeds[0].metric, difference: seeds.map(\.difference).reduce(0, +) / Double(seeds.count),
        lower: seeds.map(\.lower).min() ?? .nan, upper: seeds.map(\.upper).max() ?? .nan)
    }
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
  /// Those of the metrics that are in percent; the others are plain numbers.
  public let percent: [String]

  public func difference(_ arm: String, from baseline: String, _ metric: String) -> Difference? {
    comparisons.first { ($0.arm, $0.baseline) == (arm, baseline) }?.differences.first { $0.metric == metric }
  }

  /// The differences of a metric with each seed of training; empty if there was one.
  public func seedDifferences(_ arm: String, from baseline: String, _ metric: String) -> [Double] {
    let comparison = comparisons.first { ($0.arm, $0.baseline) == (arm, baseline) }
    return (comparison?.seeds ?? []).compactMap { seed in
      seed.differences.first { $0.metric == metric }?.difference
    }
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
    percent = Self.percent(of: metrics)
  }

  static func percent(of metrics: [String]) -> [String] { metrics.filter(MetricUnit.isPercent) }
}

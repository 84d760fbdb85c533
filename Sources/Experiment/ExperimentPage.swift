import AdapterTraining
import Foundation
import HDF5Store
import HeadImpact
import IO
import Reporting
import RunSupport

/// The report of an experiment: what its folder holds, as figures and tables.
public struct ExperimentPage {
  private let configuration: ExperimentConfiguration
  private let outcome: ExperimentOutcome
  private let folder: ExperimentFolder

  init(_ configuration: ExperimentConfiguration, _ outcome: ExperimentOutcome, folder: ExperimentFolder) {
    self.configuration = configuration
    self.outcome = outcome
    self.folder = folder
  }

  /// The page of a finished experiment's folder.
  ///
  /// - Throws: `ExperimentError` if the folder isn't one, or its experiment isn't finished.
  public init(folder url: URL) throws {
    folder = ExperimentFolder(url: url)
    guard FileManager.default.fileExists(atPath: folder.configuration.path) else {
      throw ExperimentError(
        "\(url.path): is not an experiment's folder: it has no experiment.yaml. A report is made from the HDF5 file of a scoring run, "
          + "or from an experiment's folder")
    }
    guard FileManager.default.fileExists(atPath: folder.outcome.path) else {
      throw ExperimentError(
        "\(url.path): its experiment isn't finished; continue it with headimpact experiment \(folder.configuration.path) --resume"
      )
    }
    configuration = try ExperimentConfiguration(contentsOf: folder.configuration)
    outcome = try ExperimentOutcome(contentsOf: folder.outcome)
  }

  /// - Parameters:
  ///   - title: the page's; by default the folder's name and the model's.
  ///   - source: of the scored photographs; by default where the experiment had them, if they are still there.
  ///   - hasLayerFit: draws a straight line through the layers' means.
  /// - Throws: what reading the folder throws, and `ReportError`.
  public func page(title: String? = nil, source: PictureSource? = nil, hasLayerFit: Bool = false) throws -> Page {
    var options = HeadImpactReport.Options(programVersion: JobDefaults.programVersion)
    options.measure = configuration.select.ranked.measure
    options.topHeads = configuration.select.heads
    options.hasLayerFit = hasLayerFit
    options.source =
      source
      ?? Self.pictures(of: configuration.score.source, in: folder).map { PictureSource(dataset: $0, images: $1) }
    return try ExperimentReport.page(
      of: summary(title: title), more: HeadImpactReport.sections(of: folder.headImpact, options),
      programVersion: JobDefaults.programVersion)
  }

  /// Where the scored photographs are: where the configuration says, or in an experiment's folder that was moved, or is
  /// seen from another one than the experiment was, if they are its demonstration's. Nil if they are in neither place.
  static func pictures(
    of source: ExperimentConfiguration.Source, in folder: ExperimentFolder
  ) -> (dataset: URL, images: URL)? {
    let (dataset, images) = (fileURL(source.dataset), fileURL(source.images))
    let own = [dataset, images].map { $0.pathComponents.suffix(3) }
    let moved =
      own.allSatisfy { $0.first == folder.demonstration.lastPathComponent }
      ? own.map { $0.dropFirst().reduce(folder.demonstration) { $0.appendingPathComponent($1) } } : []
    return [[dataset, images], moved].first { paths in
      !paths.isEmpty && paths.allSatisfy { FileManager.default.fileExists(atPath: $0.path) }
    }.map { (dataset: $0[0], images: $0[1]) }
  }

  private func summary(title: String?) throws -> ExperimentSummary {
    let model = fileURL(configuration.model).lastPathComponent
    var summary = ExperimentSummary(
      title: title ?? "\(folder.url.lastPathComponent): adapting \(model) by Head Impact", statement: outcome.statement,
      arms: outcome.arms.map(arm))
    summary.losses = try configuration.tasks.flatMap { task in
      try configuration.arms.filter { $0 != .pretrained }.flatMap(configuration.runs).map { run in
        let curves = try TrainingCurves(ofAdapter: folder.adapter(task.kind, run))
        typealias Point = ExperimentSummary.Curve.Point
        return ExperimentSummary.Curve(
          arm: run.arm.name, task: task.kind.rawValue, seed: configuration.trainingSeeds.count > 1 ? run.seed : nil,
          training: curves.training.map { Point(step: $0.step, loss: $0.loss) },
          validation: curves.validation.map { Point(step: $0.step, loss: $0.loss) })
      }
    }
    summary.promptAgreement = outcome.prompts.map { prompts in
      ExperimentSummary.PromptAgreement(
        prompts: prompts.prompts,
        pairs: prompts.pairs.map {
          ExperimentSummary.PromptAgreement.Pair(
            first: $0.first, second: $0.second, rankCorrelation: $0.rankCorrelation ?? .nan,
            headOverlap: $0.headOverlap, layerOverlap: $0.layerOverlap)
        }, heads: prompts.heads, layers: prompts.layers, measure: configuration.select.ranked)
    }
    let scoredAgain = configuration.tasks.flatMap { task in configuration.scoreAfter.map { (task.kind, $0) } }
    if !scoredAgain.isEmpty {
      summary.headImpact = ExperimentSummary.HeadImpactChange(
        measure: configuration.select.ranked, before: try HeadImpactFile.read(folder.headImpact).table,
        after: try scoredAgain.map { task, arm in
          (arm.name, task.rawValue, try HeadImpactFile.read(folder.headImpactAfter(task, arm)).table)
        })
    }
    summary.ablationCurves = (outcome.ablation?.curves ?? []).filter { $0.points.count > 1 }
    let ablations = outcome.ablation?.ablations ?? []
    let isOne = Set(ablations.map(\.heads.count)).count < 2
    summary.ablations = ablations.map { row in
      ExperimentSummary.Ablation(
        name: isOne ? row.name : "\(row.name) (\(row.heads.count))",
        metrics: [
          ExperimentSummary.Metric(
            name: "loss", value: row.loss, shift: row.difference, low: row.lower, high: row.upper)
        ])
    }
    summary.timings = outcome.timings.map { ExperimentSummary.Timing(name: $0.step, seconds: $0.seconds) }
    summary.configuration = try configuration.yaml()
    return summary
  }

  private func arm(_ arm: ExperimentOutcome.TrainedArm) -> ExperimentSummary.Arm {
    let metrics = outcome.tasks.flatMap { task in
      task.metrics.compactMap { metric -> ExperimentSummary.Metric? in
        task.score(arm.name, metric).map { value in
          let shift = task.difference(arm.name, from: "pretrained", metric)
          return ExperimentSummary.Metric(
            name: "\(task.task) \(metric)", task: task.task, unit: task.percent.contains(metric) ? "%" : "",
            value: value, shift: shift?.difference,
            low: shift?.lower, high: shift?.upper,
            seedShifts: task.seedDifferences(arm.name, from: "pretrained", metric))
        }
      }
    }
    return ExperimentSummary.Arm(
      name: arm.name, kind: Self.kind(arm.name), layers: arm.layers,
      heads: arm.heads.map { Selection.Head(layer: $0[0], head: $0[1]) }, trainedParameters: arm.trainedParameters,
      share: arm.share, metrics: metrics)
  }

  private static func kind(_ name: String) -> ExperimentSummary.Arm.Kind {
    switch Arm(name: name) {
    case .pretrained: .pretrained
    case .top: .top
    case .bottom: .bottom
    case .random: .random
    case .all: .all
    case .topHeads, nil: .other
    }
  }
}

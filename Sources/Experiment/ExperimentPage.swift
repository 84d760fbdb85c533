import AdapterTraining
import Foundation
import HeadImpact
import HeadImpactStore
import Jobs
import Reporting

/// The report of an experiment: what its folder holds, as figures and tables.
struct ExperimentPage {
  private let configuration: ExperimentConfiguration
  private let outcome: ExperimentOutcome
  private let table: HeadImpactTable
  private let scoredAfter: [(task: ExperimentFolder.TaskKind, arm: Arm)]
  private let folder: ExperimentFolder

  init(
    _ configuration: ExperimentConfiguration, _ outcome: ExperimentOutcome, table: HeadImpactTable,
    scoredAfter: [(task: ExperimentFolder.TaskKind, arm: Arm)], folder: ExperimentFolder
  ) {
    self.configuration = configuration
    self.outcome = outcome
    self.table = table
    self.scoredAfter = scoredAfter
    self.folder = folder
  }

  /// - Throws: what reading the folder throws, and `ReportError`.
  func write() throws {
    var options = HeadImpactReport.Options(programVersion: JobDefaults.programVersion)
    options.measure = configuration.select.measure
    options.topHeads = configuration.select.heads
    let source = configuration.score.source
    options.source = PictureSource(
      dataset: URL(fileURLWithPath: source.dataset), images: URL(fileURLWithPath: source.images))
    let page = try ExperimentReport.page(
      of: summary(), more: HeadImpactReport.sections(of: folder.headImpact, options),
      programVersion: JobDefaults.programVersion)
    try page.write(to: folder.report)
  }

  private func summary() throws -> ExperimentSummary {
    let model = URL(fileURLWithPath: configuration.model).lastPathComponent
    var summary = ExperimentSummary(
      title: "\(folder.url.lastPathComponent): adapting \(model) by Head Impact", statement: outcome.statement,
      arms: outcome.arms.map(arm))
    summary.losses = try configuration.tasks.flatMap { task in
      try configuration.arms.filter { $0 != .pretrained }.map { arm in
        let curves = try TrainingCurves(ofAdapter: folder.adapter(task.kind, arm))
        typealias Point = ExperimentSummary.Curve.Point
        return ExperimentSummary.Curve(
          arm: arm.name, training: curves.training.map { Point(step: $0.step, loss: $0.loss) },
          validation: curves.validation.map { Point(step: $0.step, loss: $0.loss) })
      }
    }
    if !scoredAfter.isEmpty {
      summary.headImpact = ExperimentSummary.HeadImpactChange(
        measure: configuration.select.measure, before: table,
        after: try scoredAfter.map { task, arm in
          (arm.name, try HeadImpactFile.read(folder.headImpactAfter(task, arm)).table)
        })
    }
    summary.ablations = (outcome.ablation?.ablations ?? []).map { row in
      ExperimentSummary.Ablation(
        name: row.name,
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
            name: "\(task.task) \(metric)", value: value, shift: shift?.difference, low: shift?.lower,
            high: shift?.upper)
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

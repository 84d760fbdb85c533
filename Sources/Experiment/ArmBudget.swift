import AdapterTraining
import Foundation
import HeadImpact
import IO
import Kernels
import VisionLanguage

/// How many parameters an arm trains: as close to the arm `top` as whole LoRA ranks allow.
struct ArmBudget: Sendable, Equatable {
  /// Steps between two checkpoints: the most that a kill loses.
  private static let checkpointEvery = 50

  let loraRank: Int
  let loraAlpha: Double
  let trainedParameters: Int
  /// Of the model without an adapter.
  let modelParameters: Int

  /// The budget of every arm that trains. The number of trained parameters grows in proportion to the rank, so an arm
  /// of more layers has a lower rank; alpha over rank is the same in all.
  ///
  /// - Throws: what loading the model throws, or that an arm doesn't fit it.
  static func all(of arms: [ArmLayers], _ configuration: ExperimentConfiguration) throws -> [Arm: ArmBudget] {
    let folder = try configuration.modelFolder()
    let backend = try CPUBackend(precision: configuration.precision, team: ThreadTeam(count: 1))
    let model = try ModelRegistry.load(
      folder: folder, input: configuration.input, backend: backend)
    let parameters = try TrainingJob.modelParameters(folder)
    let train = configuration.train
    func trained(_ arm: ArmLayers, rank: Int) throws -> Int {
      let budget = ArmBudget(loraRank: rank, loraAlpha: Double(rank), trainedParameters: 0, modelParameters: 0)
      return try TrainingJob.trainedParameters(budget.configuration(configuration, arm), of: model)
    }
    let selecting = arms.first { $0.layers.count == configuration.select.layers && $0.heads.isEmpty }
    var budgets: [Arm: ArmBudget] = [:]
    for arm in arms where arm.arm != .pretrained {
      let target = try trained(selecting ?? arm, rank: train.loraRank)
      let unit = try trained(arm, rank: 1)
      let rank = max(1, Int((Double(target) / Double(unit)).rounded()))
      budgets[arm.arm] = ArmBudget(
        loraRank: rank, loraAlpha: train.loraAlpha * Double(rank) / Double(train.loraRank),
        trainedParameters: try trained(arm, rank: rank), modelParameters: parameters)
    }
    return budgets
  }

  /// The part of an arm's training configuration that all tasks share.
  func configuration(_ experiment: ExperimentConfiguration, _ arm: ArmLayers) -> TrainConfiguration {
    let nowhere = URL(fileURLWithPath: experiment.output)
    var c = TrainConfiguration(
      model: fileURL(experiment.model), dataset: nowhere,
      images: nowhere, output: nowhere)
    let train = experiment.train
    c.input = experiment.input
    c.prompt = experiment.prompt
    c.precision = experiment.precision
    c.layers = arm.heads.isEmpty ? LayerList(arm.layers) : nil
    c.heads = arm.heads.isEmpty ? nil : arm.heads
    c.targets = arm.heads.isEmpty ? train.targets : train.targets.filter(\.isOfAttention)
    c.loraRank = loraRank
    c.loraAlpha = loraAlpha
    c.dropout = train.dropout
    c.length = train.steps.map { .steps($0) } ?? .epochs(train.epochs)
    c.batch = train.batch
    c.microBatch = train.microBatch
    c.learningRate = train.learningRate
    c.schedule = train.schedule
    c.warmup = train.warmup
    c.clip = train.clip
    c.weightDecay = train.weightDecay
    c.seed = UInt64(experiment.seed)
    c.validationShare = train.validationShare
    // All arms train as long.
    c.keeps = .last
    c.checkpointEvery = Self.checkpointEvery
    return c
  }
}

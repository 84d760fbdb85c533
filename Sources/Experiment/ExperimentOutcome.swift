import Foundation
import HeadImpact
import IO
import Scoring

/// What an experiment found: its arms, their metrics, and what these support. A pure value, written as experiment.json.
public struct ExperimentOutcome: Codable, Sendable {
  public struct TrainedArm: Codable, Sendable {
    public let name: String
    public let layers: [Int]
    /// As [layer, head]; empty if whole layers are adapted.
    public let heads: [[Int]]
    public let loraRank: Int
    public let trainedParameters: Int
    /// Over the parameters of the model.
    public let share: Double
  }

  public struct Timing: Codable, Sendable {
    public let step: String
    public let seconds: Double
  }

  public let statement: String
  public let arms: [TrainedArm]
  public let tasks: [TaskOutcome]
  /// nil for a single prompt.
  public let prompts: PromptAgreement?
  public let ablation: AblationResult?
  public let timings: [Timing]
  /// The experiment's folder.
  public let output: String

  init(
    _ configuration: ExperimentConfiguration, arms: [ArmLayers], budgets: [Arm: ArmBudget], tasks: [TaskOutcome],
    prompts: PromptAgreement?, ablation: AblationResult?, records: [StepLedger.Record]
  ) {
    self.arms = arms.map { arm in
      let budget = budgets[arm.arm]
      return TrainedArm(
        name: arm.arm.name, layers: arm.layers, heads: arm.heads.map { [$0.layer, $0.head] },
        loraRank: budget?.loraRank ?? 0, trainedParameters: budget?.trainedParameters ?? 0,
        share: budget.map { Double($0.trainedParameters) / Double($0.modelParameters) } ?? 0)
    }
    self.tasks = tasks
    self.prompts = prompts
    self.ablation = ablation
    timings = records.map { Timing(step: $0.name, seconds: $0.seconds ?? 0) }
    statement = Conclusion.text(
      tasks: tasks, ablation: ablation, prompts: prompts, layers: configuration.select.layers,
      seeds: configuration.trainingSeeds)
    output = configuration.output
  }

  /// - Throws: `ExperimentError` naming the file.
  init(contentsOf url: URL) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do { self = try decoder.decode(Self.self, from: Data(InputFile.read(url))) } catch {
      throw ExperimentError("\(url.path): is not an outcome of an experiment: \(error)")
    }
  }

  /// One object, its keys in alphabetical order and in snake_case.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}

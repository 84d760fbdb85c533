import COCO
import Figures
import Foundation
import HDF5Store
import HeadImpact
import IO
import Jobs
import LowRankAdaptation
import MessagePassing
import RunSupport
import Safetensors
import Transformer
import VisionLanguage

/// The training job: every rank reads the data, computes its share of each step, and holds the same adapter; rank 0
/// writes it.
public struct TrainingJob {
  let configuration: TrainConfiguration
  let world: Communicator
  private let shared: SharedPrefixes?

  /// What a finished run reports.
  public struct Summary: Sendable, Encodable {
    public let output: String
    public let steps: Int
    public let trainedParameters: Int
    public let allParameters: Int
    public let firstLoss: Double
    public let lastLoss: Double
    public let firstValidationLoss: Double?
    public let bestValidationLoss: Double?
    public let bestValidationStep: Int?
    /// Whether it ended before its last step, as the validation loss fell no more.
    public let stoppedEarly: Bool
    public let skipped: Int
    public let skips: SkipCounts
    /// False if the output was already finished by the run to resume.
    public let isNew: Bool

    /// In percent.
    public var trainedShare: Double { 100 * Double(trainedParameters) / Double(max(1, allParameters)) }
  }

  /// - Parameter shared: what other runs on the same samples leave for this one.
  public init(_ configuration: TrainConfiguration, on world: Communicator, shared: SharedPrefixes? = nil) {
    self.configuration = configuration
    self.world = world
    self.shared = shared
  }

  /// How many numbers a model has.
  ///
  /// - Throws: where the folder holds no checkpoint.
  public static func modelParameters(_ folder: URL) throws -> Int {
    try SafetensorsCheckpoint(folder: folder).tensors.values.reduce(0) { $0 + $1.count }
  }

  /// How many numbers a run would train.
  ///
  /// - Throws: where what it is asked for doesn't fit the model.
  public static func trainedParameters(_ configuration: TrainConfiguration, of model: any VisionLanguageModel) throws
    -> Int
  {
    try AdapterPlan(configuration, model: model).trained
  }

  /// Runs the job. Every rank calls it at the same time.
  ///
  /// - Returns: on rank 0 what was done; nil elsewhere.
  /// - Throws: errors of the inputs or of the run. Under MPI, let it leave
  ///   `Communicator.withWorld`, which stops every rank.
  public func run() throws -> Summary? {
    let claim = try world.claimOutput(configuration)
    defer { claim.release() }
    let threads = try JobDefaults.threads(configuration.threads, on: world)
    let (opened, parameterCount) = try world.agree {
      // Before the work, not behind it.
      if world.rank == 0, !claim.isFinished { try PEFTAdapter.requireReplaceable(configuration.output) }
      let opened = try JobModel(configuration, threads: threads)
      try opened.model.chat.requireEndOfTurn()
      for (source, scored) in configuration.scored {
        try JobInputs.checkScored(scored, by: source, is: opened.sha256, of: configuration.model)
      }
      return (opened, try Self.modelParameters(configuration.model))
    }
    let model = opened.model
    let datasets = try readDatasets()
    let plan = try world.agree { try AdapterPlan(configuration, model: model) }
    let inputs = inputs(opened, datasets)
    let identity = identity(inputs, plan)
    try world.agree(on: identity)
    world.tell(opened.remarks(onAdapter: configuration.initialAdapter) + model.remarks.training)
    if claim.isFinished { return try finishedSummary(identity, plan, parameterCount) }

    try world.agree { try shared?.bind(to: inputs) }
    let data = try prepare(datasets, model: model)
    // Known only now. Which examples there are says in what order all are trained on, so a run continues with the same
    // alone.
    let examples = try data.digest()
    let run = RunIdentity(identity.parts.map { ($0.name, $0.value) } + [(Self.examplesPart, examples)])
    let adapter = plan.adapter
    let total: Int =
      switch configuration.length {
      case .steps(let steps): steps * configuration.batch
      case .epochs(let epochs): epochs * data.samples.count
      }
    let steps = (total + configuration.batch - 1) / configuration.batch
    let checkpoints = try world.agree {
      world.rank == 0
        ? try openCheckpoints(
          run, plan, model: model, lock: claim.lock, steps: steps, hasBest: !data.validation.isEmpty)
        : nil
    }
    let state = try resume(checkpoints, adapter)
    model.decoder.adapter = adapter
    let log =
      world.rank == 0
      ? TrainingLog(
        totalSteps: steps, firstStep: state.step, isQuiet: configuration.isQuiet, isJSON: configuration.logsJSON) : nil
    announce(data, plan, parameterCount, state: state, steps: steps, log)
    let trainer = try Trainer(
      configuration, on: world, model: model, data: data, watched: opened.watched, adapter: adapter,
      trainable: plan.trainable, total: total, state: state, shared: shared, log: log, checkpoints: checkpoints)
    // Until the adapter is written: the last steps are in no checkpoint.
    if world.rank == 0 { StopSignals.set(patience: StopSignals.longestPatience) }
    defer { if world.rank == 0 { StopSignals.set(patience: StopSignals.shortPatience) } }
    try trainer.run()
    log?.finish()
    let finished = trainer.state
    try world.agree {
      guard let checkpoints else { return }
      do {
        try checkpoints.requireOutput()
        try writeOutput(
          finished, of: steps, plan, model: model, identity: run, parameterCount: parameterCount, data: data)
      } catch { throw checkpoints.rescue(finished, from: error) }
      RunStanding.set(finished.step, of: finished.step, "steps")
      try checkpoints.remove()
    }
    guard world.rank == 0 else { return nil }
    return summary(finished.history, of: steps, plan, parameterCount, skips: data.skips, isNew: true)
  }

  /// What the identity of a run says of its examples.
  private static let examplesPart = "usable examples (SHA-256)"

  private var base: BaseModelName { BaseModelName(folder: configuration.model) }
  private var modelName: String { IO.modelName(ofFolder: configuration.model) }

  // MARK: - Before and after

  private func identity(_ inputs: RunIdentity, _ plan: AdapterPlan) -> RunIdentity {
    let c = configuration
    let length: (String, String) =
      switch c.length {
      case .steps(let steps): ("length", "\(steps) steps")
      case .epochs(let epochs): ("length", "\(epochs) epochs")
      }
    let lora = plan.lora
    let options: [(name: String, value: String)] = [
      ("layers", lora.layers.map(String.init).joined(separator: ",")),
      ("heads", plan.heads.map { "\($0.layer).\($0.head)" }.joined(separator: ",")),
      ("--targets", lora.targets.map(\.rawValue).joined(separator: ",")), ("--lora-rank", "\(lora.loraRank)"),
      ("--lora-alpha", "\(lora.loraAlpha)"), ("--dropout", "\(lora.dropout)"),
      ("initial adapter", String(plan.initialChecksum, radix: 16)), length, ("--batch", "\(c.batch)"),
      ("--lr", "\(c.learningRate)"), ("--schedule", c.schedule.rawValue), ("--warmup", "\(c.warmup)"),
      ("--clip", "\(c.clip)"), ("--weight-decay", "\(c.weightDecay)"), ("--shuffle", c.shuffles ? "seeded" : "none"),
    ]
    // Only where they are asked for: runs of before go on.
    var more: [(name: String, value: String)] = []
    if lora.dividesByRoot { more.append(("--rslora", "yes")) }
    if lora.hasMagnitudes { more.append(("--dora", "yes")) }
    if let patience = c.patience { more.append(("--patience", "\(patience)")) }
    if c.isValidated, c.keeps == .best { more.append(("--keep", c.keeps.rawValue)) }
    return RunIdentity(inputs.parts.map { ($0.name, $0.value) } + options + more)
  }

  /// What the samples and their frozen prefixes depend on.
  private func inputs(_ opened: JobModel, _ datasets: Datasets) -> RunIdentity {
    let c = configuration
    let options: [(name: String, value: String)] = [
      ("--prompt", c.prompt), ("--precision", c.precision.rawValue), ("--limit", c.limit.map(String.init) ?? "none"),
      ("--seed", "\(c.seed)"), ("--validation-share", "\(c.validationShare)"),
    ]
    return RunIdentity(
      [
        ("program version", JobDefaults.programVersion), ("model (SHA-256)", opened.sha256),
        ("sampled weights (SHA-256)", opened.weightsSampleSHA256),
      ] + opened.files.parts
        + opened.input.parts + datasets.digests + options)
  }

  /// - Throws: `JobError` if there is no room for what the run writes.
  private func openCheckpoints(
    _ identity: RunIdentity, _ plan: AdapterPlan, model: any VisionLanguageModel, lock: RunLock?, steps: Int,
    hasBest: Bool
  ) throws -> Checkpoints {
    let checkpoints = try Checkpoints(
      configuration, identity: identity, lock: lock, parameters: { plan.adapter.values },
      write: { folder, alongside in
        try PEFTAdapter.write(
          plan.adapter, configuration: plan.lora, for: model, base: base, to: folder, alongside: alongside)
      })
    let keeps = configuration.checkpointMinutes > 0 || configuration.checkpointEvery != nil
    try checkpoints.requireRoom(
      bytes: Checkpoints.bytesNeeded(
        count: plan.adapter.count, hasBest: hasBest, steps: steps, keepsCheckpoints: keeps),
      for: configuration.output)
    return checkpoints
  }

  /// - Parameter checkpoints: on rank 0.
  private func resume(_ checkpoints: Checkpoints?, _ adapter: LowRankAdapter) throws -> TrainingState {
    var state = TrainingState(optimiser: AdamW(count: adapter.count, weightDecay: configuration.weightDecay))
    guard configuration.resumes else { return state }
    let found = try world.agree { try checkpoints?.load() }
    guard try world.settle(found != nil) else { return state }
    let parameters = try world.broadcast(found?.parameters)
    let mean = try world.broadcast(found?.state.optimiser.firstMoments)
    let square = try world.broadcast(found?.state.optimiser.secondMoments)
    let best = try world.broadcast(world.rank == 0 ? found?.state.best ?? [] : nil)
    let history = try world.broadcast(world.rank == 0 ? Array(JSONEncoder().encode(found?.state.history)) : nil)
    try world.agree {
      guard parameters.count == adapter.count else {
        throw JobError("\(configuration.workFolder.path): the checkpoint belongs to another adapter")
      }
    }
    adapter.values = parameters
    state.history = try JSONDecoder().decode(TrainingHistory.self, from: Data(history))
    state.step = state.history.steps.count
    state.optimiser = AdamW(
      weightDecay: configuration.weightDecay, step: state.step, firstMoments: mean, secondMoments: square)
    state.best = best.isEmpty ? nil : best
    return state
  }

  private func announce(
    _ data: TrainingData, _ plan: AdapterPlan, _ parameterCount: Int, state: TrainingState, steps: Int,
    _ log: TrainingLog?
  ) {
    guard !configuration.logsJSON else { return }
    let all = parameterCount + plan.adapter.count
    log?.note(
      "trainable params: \(plan.trained.formatted()) || all params: \(all.formatted()) || trainable%: "
        + String(format: "%.4f", 100 * Double(plan.trained) / Double(all)))
    let layers = plan.lora.layers.map(String.init).joined(separator: ", ")
    let targets = plan.lora.targets.map(\.rawValue).joined(separator: ", ")
    log?.note(
      "layers \(layers) (\(targets), rank \(plan.lora.loraRank)\(plan.lora.kindText)), \(counted(data.samples.count, "example"))"
        + (data.validation.isEmpty ? "" : " and \(data.validation.count) for validation")
        + ", \(counted(steps, "step"))")
    if state.step > 0 {
      log?.note("resuming: \(state.step) of \(counted(steps, "step")) \(agreeing(with: state.step, "is", "are")) done")
    }
  }

  /// The adapter's folder, which appears in one step with everything in it.
  private func writeOutput(
    _ state: TrainingState, of steps: Int, _ plan: AdapterPlan, model: any VisionLanguageModel, identity: RunIdentity,
    parameterCount: Int, data: TrainingData
  ) throws {
    func write(_ folder: URL, alongside: (URL) throws -> Void = { _ in }) throws {
      try PEFTAdapter.write(
        plan.adapter, configuration: plan.lora, for: model, base: base, to: folder, alongside: alongside)
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let facts: [(String, HDF5Attribute)] = [
      ("title", .string("LoRA training of \(modelName)")),
      ("source", .string("headimpact \(JobDefaults.programVersion)")),
      ("model_name", .string(modelName)), ("created", .string(ISO8601DateFormatter().string(from: Date()))),
      ("ranks", .integer(Int64(world.worldSize))), ("micro_batch", .integer(Int64(configuration.microBatch))),
      ("trained_parameters", .integer(Int64(plan.trained))), ("steps_planned", .integer(Int64(steps))),
      ("all_parameters", .integer(Int64(parameterCount + plan.adapter.count))),
      ("skips", .string(String(decoding: try encoder.encode(data.skips), as: UTF8.self))),
    ]
    let last = plan.adapter.values
    defer { plan.adapter.values = last }
    let keepsBest = configuration.keeps == .best
    if keepsBest, let best = state.best { plan.adapter.values = best }
    try write(configuration.output) { folder in
      if let best = state.best {
        let kept = plan.adapter.values
        plan.adapter.values = keepsBest ? last : best
        defer { plan.adapter.values = kept }
        try write(folder.appendingPathComponent(configuration.keeps.otherFolder))
      }
      try TrainingFile.write(
        to: folder.appendingPathComponent("training.h5"), history: state.history, identity: identity, facts: facts)
      let card = ModelCard(
        configuration: configuration, plan: plan, base: base, identity: identity, history: state.history,
        examples: (data.samples.count, data.validation.count), allParameters: parameterCount + plan.adapter.count,
        ranks: world.worldSize)
      try AdapterCompanions.write(card, to: folder, end: Date().timeIntervalSince1970)
    }
  }

  private func finishedSummary(
    _ identity: RunIdentity, _ plan: AdapterPlan, _ parameterCount: Int
  ) throws -> Summary? {
    let found = try world.agree { () -> (history: TrainingHistory, steps: Int?, skips: SkipCounts)? in
      guard world.rank == 0 else { return nil }
      let begun = try TrainingFile.read(configuration.output.appendingPathComponent("training.h5"))
      // What is finished stays so, whatever pictures are there now.
      try begun.identity.without([Self.examplesPart]).requireSame(as: identity, finished: configuration.output)
      return (begun.history, begun.steps, begun.skips ?? SkipCounts(samples: 0, skipped: []))
    }
    guard let found else { return nil }
    return summary(found.history, of: found.steps, plan, parameterCount, skips: found.skips, isNew: false)
  }

  /// - Parameter steps: how many were planned; nil if a file of an older version, which had no patience, doesn't say.
  private func summary(
    _ history: TrainingHistory, of steps: Int?, _ plan: AdapterPlan, _ parameterCount: Int, skips: SkipCounts,
    isNew: Bool
  ) -> Summary {
    Remarks.tell(skips, allowed: configuration.allowedSkips)
    if let best = history.best, let before = history.validations.first, before.step == 0, before.loss <= best.loss {
      Remarks.tell([
        "the validation loss was \(NumberText.plain(before.loss)) before the first step and is never below that: what this "
          + "adapter learned doesn't hold for the validation examples"
      ])
    }
    return Summary(
      output: configuration.output.path, steps: history.steps.count, trainedParameters: plan.trained,
      allParameters: parameterCount + plan.adapter.count, firstLoss: history.steps.first?.loss ?? .nan,
      lastLoss: history.steps.last?.loss ?? .nan, firstValidationLoss: history.validations.first?.loss,
      bestValidationLoss: history.best?.loss, bestValidationStep: history.best?.step,
      stoppedEarly: steps.map { history.steps.count < $0 } ?? false,
      skipped: skips.skipped, skips: skips, isNew: isNew)
  }
}

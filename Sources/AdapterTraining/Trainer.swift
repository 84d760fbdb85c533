import Foundation
import IO
import ImageInput
import Jobs
import Kernels
import LowRankAdaptation
import MessagePassing
import RunSupport
import Transformer
import VisionLanguage

/// The steps of a training run, the same on every rank (docs/training.md).
final class Trainer {
  private let configuration: TrainConfiguration
  private let world: Communicator
  private let model: any VisionLanguageModel
  private let samples: [TrainingSample]
  private let validation: [TrainingSample]
  private let watched: WatchedFiles
  private let adapter: LowRankAdapter
  private let trainable: [Range<Int>]
  private let schedule: LearningRateSchedule
  private let total: Int
  private let gradients: SampleGradients
  private let prefixes: SamplePrefixes
  private let log: TrainingLog?
  /// On rank 0.
  private let checkpoints: Checkpoints?
  private let order: SampleOrder
  /// The batch that was asked for last: the order of an epoch takes a while.
  private var lastBatch: (step: Int, samples: [Int])?
  private var sum: StepSum
  /// - Shape: [samples of a pass, adapter's count]
  private let passGradients: Tensor

  private(set) var state: TrainingState
  /// The step of the checkpoint that the run went on from; 0 if it began anew.
  private let begun: Int

  /// - Parameters:
  ///   - total: samples of the whole run, each time that one is trained on.
  ///   - shared: what other runs on the same samples computed.
  ///   - log: on rank 0, and so are `checkpoints`.
  init(
    _ configuration: TrainConfiguration, on world: Communicator, model: any VisionLanguageModel,
    data: TrainingJob.TrainingData, watched: WatchedFiles, adapter: LowRankAdapter, trainable: [Range<Int>],
    total: Int, state: TrainingState, shared: SharedPrefixes?, log: TrainingLog?, checkpoints: Checkpoints?
  ) throws {
    self.configuration = configuration
    self.world = world
    self.model = model
    (samples, validation) = (data.samples, data.validation)
    self.watched = watched
    self.adapter = adapter
    self.trainable = trainable
    self.total = total
    self.state = state
    begun = state.step
    self.log = log
    self.checkpoints = checkpoints
    schedule = try LearningRateSchedule(
      shape: configuration.schedule, peak: configuration.learningRate, warmupSteps: configuration.warmup,
      totalSteps: (total + configuration.batch - 1) / configuration.batch)
    gradients = SampleGradients(model: model, adapter: adapter) { [world] in try world.attend() }
    let reserve = Checkpoints.bytesNeeded(
      count: adapter.count, hasBest: !validation.isEmpty, steps: schedule.totalSteps, keepsCheckpoints: true)
    let order: SampleOrder = configuration.shuffles ? .shuffled(seed: configuration.seed) : .none
    self.order = order
    // Of the whole run, also where it is resumed: what is computed together stays the same.
    let occurring =
      total < data.samples.count ? Set(order.permutation(epoch: 0, count: data.samples.count).prefix(total)) : nil
    prefixes = SamplePrefixes(
      configuration, on: world, model: model, gradients: gradients, data: data, occurring: occurring, shared: shared,
      reserve: reserve)
    sum = StepSum(count: adapter.count, passes: configuration.batch, ranks: world.worldSize)
    passGradients = model.backend.tensor(
      rows: min(configuration.microBatch, configuration.batch), columns: adapter.count)
  }

  /// Trains to the end. Checkpoints are written where they are due, before an error that a step found ends the run, and
  /// before an interruption does, in the midst of a step: the state is that before the step.
  func run() throws {
    do { try runSteps() } catch  where TransientFailure.exitCode(for: error) != 1 {
      log?.finish()
      if state.step > begun { saveCheckpoint() }
      throw error
    }
  }

  private func runSteps() throws {
    let steps = schedule.totalSteps
    tellStanding()
    // A checkpoint may have been written in the midst of a validation.
    if isValidationDue(steps: steps), state.history.validations.last?.step != state.step { try validate() }
    while state.step < steps, !isOutOfPatience {
      do {
        try step()
      } catch let error as StepFailure {
        saveCheckpoint()
        // Those that found nothing wrong learn from the others what it was.
        try world.agree { if let cause = error.cause { throw cause } }
        throw JobError("step \(state.step + 1) failed on another rank")
      }
      tellStanding()
      if isValidationDue(steps: steps) { try validate() }
      if state.step < steps, !isOutOfPatience, checkpoints?.isDue(at: state) == true {
        // Steps computed from other bytes must be in no checkpoint.
        try Pictures.onHost(host) { try watched.requireUnchanged(asksServer: true) }
        saveCheckpoint()
      }
    }
    if state.step < steps, let best = state.history.best {
      log?.note(
        "stopping after step \(state.step) of \(steps): the last \(state.history.validationsSinceBest) validation losses "
          + "aren't below that of step \(best.step)")
    }
    try world.agree { try Pictures.onHost(host) { try watched.requireUnchanged(asksServer: true) } }
  }

  /// The same on all ranks, and after a resumption: it depends on the losses measured.
  private var isOutOfPatience: Bool {
    configuration.patience.map { state.history.validationsSinceBest >= $0 } ?? false
  }

  /// Writes a checkpoint of the state on rank 0, and does nothing elsewhere: no rank waits for it here.
  ///
  /// - Returns: false if it can't be written, which the user was told.
  @discardableResult
  func saveCheckpoint() -> Bool {
    defer { tellStanding() }
    return state.step == 0 || checkpoints?.save(state) ?? true
  }

  /// For a signal that ends the run: what is in no checkpoint is done again.
  private func tellStanding() {
    RunStanding.set(state.step, of: schedule.totalSteps, "steps", kept: checkpoints?.saved?.step ?? begun)
  }

  private func isValidationDue(steps: Int) -> Bool {
    if validation.isEmpty { return false }
    if state.step == 0 || state.step == steps { return true }
    if let every = configuration.validateEvery { return state.step % every == 0 }
    let (before, after) = ((state.step - 1) * configuration.batch, state.step * configuration.batch)
    return before / samples.count != after / samples.count
  }

  // MARK: - One step

  /// What this rank or another found wrong in a step that all ranks took.
  private struct StepFailure: Error {
    /// nil if it was another rank.
    let cause: (any Error)?
  }

  /// The samples of a step; none behind the last one.
  private func batch(_ step: Int) -> [Int] {
    if let last = lastBatch, last.step == step { return last.samples }
    let samples = order.indices(
      forStep: step, batch: configuration.batch, count: samples.count, totalSamples: total)
    lastBatch = (step, samples)
    return samples
  }

  private func step() throws {
    let start = MonotonicClock.now
    let index = state.step
    let batch = self.batch(index)
    let plan = prefixes.plan(batch)
    sum.clear()
    var failure: (any Error)?
    do {
      try prefixes.begin(plan, before: self.batch(index + 1))
      // Not before the exchange, in which all ranks take part.
      try checkpoints?.requireOutput()
      try watched.during(on: host) { try accumulate(plan.samples[world.rank], step: index) }
    } catch is PrefixExchange.KeeperFailed {
      sum.noteFailure()
    } catch  where TransientFailure.exitCode(for: error) != 1 {
      throw error
    } catch {
      failure = error
      sum.noteFailure()
    }
    let checksum = adapter.checksum
    sum.set(checksum: checksum)
    let reduceStart = MonotonicClock.now
    try sum.reduce(over: world)
    let secondsAllreduce = MonotonicClock.now - reduceStart
    guard sum.failures == 0 else { throw StepFailure(cause: failure) }
    guard sum.allRanksHave(checksum: checksum, worldSize: world.worldSize) else {
      throw JobError(
        "step \(index + 1): the ranks hold different adapters. Are their processors and programs the same? Resume from the "
          + "last checkpoint")
    }

    var gradient = sum.meanGradient()
    let norm: Double
    do {
      norm = try GradientClipping.clip(
        &gradient, over: trainable, maximumNorm: configuration.clip > 0 ? configuration.clip : .infinity)
    } catch {
      throw StepFailure(cause: error)
    }
    let rate = schedule.rate(step: index)
    let before = adapter.values
    let optimiser = state.optimiser
    state.optimiser.update(adapter, gradient: gradient, over: trainable, learningRate: rate)
    guard adapter.isFinite else {
      adapter.values = before
      state.optimiser = optimiser
      throw StepFailure(
        cause: JobError("step \(index + 1): the adapter's parameters are no longer finite; a lower --lr may help"))
    }
    state.step += 1
    let record = StepRecord(
      step: state.step, loss: sum.loss / Double(max(1, sum.tokens)), learningRate: rate, gradientNorm: norm,
      tokens: sum.tokens, seconds: MonotonicClock.now - start, secondsAllreduce: secondsAllreduce)
    state.history.steps.append(record)
    log?.show(record, epoch: Double(min(state.step * configuration.batch, total)) / Double(samples.count))
  }

  /// Adds this rank's samples of a step to the sum, each pass by itself.
  private func accumulate(_ indices: [Int], step: Int) throws {
    for first in stride(from: 0, to: indices.count, by: configuration.microBatch) {
      let pass = Array(indices[first..<min(first + configuration.microBatch, indices.count)])
      let inputs = try pass.map { (sample: samples[$0], prefix: try prefixes.states(of: $0)) }
      let passGradients = passGradients.rows(0..<pass.count)
      model.backend.zero(passGradients)
      let keys = pass.map { dropoutKey(step: step, sample: $0) }
      let losses = try gradients.losses(
        inputs, as: prefixType, dropout: configuration.dropout > 0 ? (Float(configuration.dropout), keys) : nil,
        gradients: passGradients)
      for (place, input) in inputs.enumerated() {
        let example = input.sample.example
        guard sum.add(loss: losses[place], tokens: input.sample.supervisedTokens) else {
          throw JobError(
            "step \(step + 1): the loss of sample \(example.id) (\(example.fileName)) is \(losses[place]): a lower --lr may "
              + "help, or a --warmup")
        }
        guard sum.add(gradient: passGradients.rows(place..<place + 1), on: model.backend) else {
          throw JobError(
            "step \(step + 1): the gradient of sample \(example.id) is not finite, or not below \(sum.gradientLimit): a "
              + "lower --lr may help, or a --warmup")
        }
      }
    }
  }

  /// This host's name for errors; nil for a rank alone.
  private var host: String? { world.worldSize > 1 ? world.processorName : nil }

  private func dropoutKey(step: Int, sample: Int) -> UInt64 {
    (configuration.seed &* 0x9FB2_1C65_1E98_DF25) ^ (UInt64(step) << 32) ^ UInt64(sample)
  }

  /// What frozen prefixes are kept in, and so what a pass without the store uses too.
  private var prefixType: ElementType { configuration.precision.elementType }

  // MARK: - Validation

  /// Adds this rank's samples of a validation.
  private func addLosses(of mine: [Int], to sum: inout StepSum) throws {
    for first in stride(from: 0, to: mine.count, by: configuration.microBatch) {
      let inputs = try mine[first..<min(first + configuration.microBatch, mine.count)].map {
        (sample: prefixes[$0], prefix: try prefixes.states(of: $0))
      }
      for (input, loss) in zip(inputs, try gradients.losses(inputs, as: prefixType, gradients: nil)) {
        guard sum.add(loss: loss, tokens: input.sample.supervisedTokens) else {
          throw JobError("validation at step \(state.step): the loss of sample \(input.sample.example.id) is \(loss)")
        }
      }
    }
  }

  /// The mean loss over the supervised tokens of the held-out samples.
  private func validate() throws {
    let mine = prefixes.validationSamples()
    prefixes.beginValidation(of: mine)
    var sum = StepSum(count: 0, passes: 0, ranks: world.worldSize)
    try world.agree {
      try watched.during(on: host) { try addLosses(of: mine, to: &sum) }
    }
    try sum.reduce(over: world)
    let record = ValidationRecord(
      step: state.step, loss: sum.loss / Double(max(1, sum.tokens)), tokens: sum.tokens)
    state.history.validations.append(record)
    let isBest = state.history.best == record
    if isBest { state.best = adapter.values }
    log?.show(record, isBest: isBest)
  }
}

extension LowRankAdapter {
  /// 32 bits of all numbers (FNV-1a): ranks compare them.
  var checksum: UInt32 {
    withParameters { numbers in
      var hash: UInt32 = 2_166_136_261
      for place in 0..<numbers.count { hash = (hash ^ numbers[place].bitPattern) &* 16_777_619 }
      return hash
    }
  }

  /// Whether all numbers are.
  var isFinite: Bool {
    withParameters { numbers in
      for place in 0..<numbers.count where !numbers[place].isFinite { return false }
      return true
    }
  }
}

import Foundation
import IO
import LowRankAdaptation
import RunSupport

/// Everything that the results of one step depend on, by name.
///
/// The names and the notation of values are part of the format of `steps/`: they are given here, one by one, and don't
/// follow what Swift calls a field. What changes no number (threads, caches, what is printed) is not among them.
struct StepInputs: Sendable {
  let identity: RunIdentity

  /// - Parameter parts: what the step depends on, except itself and the program.
  init(step: String, _ parts: Parts) {
    identity = RunIdentity([("step", step), ("program_version", JobDefaults.programVersion)] + parts)
  }

  typealias Parts = [(name: String, value: String)]

  /// One line per part; the fingerprint is its SHA-256.
  var text: String {
    identity.parts.map { part in
      "\(part.name)=\(part.value.replacing("\\", with: "\\\\").replacing("\n", with: "\\n"))\n"
    }.joined()
  }

  func fingerprint() throws -> String { try Array(text.utf8).withUnsafeBytes { try SHA256.hex(of: $0) } }
}

extension ExperimentConfiguration {
  /// Of every job that runs the model.
  private var common: StepInputs.Parts { common(prompt: prompt) }

  private func common(prompt: String) -> StepInputs.Parts {
    (system.map { [("system", $0)] } ?? []) + [
      ("prompt", prompt), ("precision", precision.rawValue), ("resize", resize.rawValue), ("seed", "\(seed)"),
    ]
  }

  func demonstrationInputs(_ demonstration: Demonstration) -> StepInputs {
    StepInputs(
      step: "demonstration",
      [
        ("train_scenes", "\(demonstration.trainScenes)"), ("test_scenes", "\(demonstration.testScenes)"),
        ("shifted", "\(demonstration.shifted)"),
      ])
  }

  /// - Parameters:
  ///   - model: the digest of the model; `data` that of the data.
  ///   - adapter: of a model that was trained: the fingerprint of its step.
  ///   - prompt: nil for the experiment's first.
  func scoreInputs(
    step: String = "score", model: String, data: String, adapter: String? = nil, prompt: String? = nil
  ) -> StepInputs {
    let o = score.options
    let options: StepInputs.Parts = [
      ("coverage", "\(o.coverage)"), ("query", o.query.rawValue), ("normalize", o.normalize.rawValue),
      ("views", o.views.rawValue), ("sink_factor", "\(o.sinkFactor)"), ("bootstrap", "\(o.bootstrapResamples)"),
    ]
    return StepInputs(
      step: step,
      [("model", model), ("adapter", adapter ?? "none")] + parts(of: score.source, data: data)
        + common(prompt: prompt ?? self.prompt) + options)
  }

  func selectInputs(after scored: String) -> StepInputs {
    StepInputs(
      step: "select",
      [
        ("score", scored), ("measure", select.ranked.key), ("layers", "\(select.layers)"),
        ("heads", "\(select.heads)"), ("arms", arms.map(\.name).joined(separator: ",")),
      ])
  }

  func trainInputs(
    step: String, _ source: Source, arm: ArmLayers, budget: ArmBudget, seed: Int? = nil, model: String, data: String,
    after selected: String
  ) -> StepInputs {
    let t = train
    // As of the experiment's own seed, a record of which stays valid when others are added.
    let training: StepInputs.Parts = seed.map { $0 == self.seed ? [] : [("training_seed", "\($0)")] } ?? []
    let options: StepInputs.Parts = [
      ("layers", arm.layers.map(String.init).joined(separator: ",")),
      ("heads", arm.heads.map(\.description).joined(separator: ",")),
      ("targets", t.targets.map(\.rawValue).joined(separator: ",")), ("lora_rank", "\(budget.loraRank)"),
      ("lora_alpha", "\(budget.loraAlpha)"), ("dropout", "\(t.dropout)"),
      ("length", t.steps.map { "\($0) steps" } ?? "\(t.epochs) epochs"), ("batch", "\(t.batch)"),
      ("micro_batch", "\(t.microBatch)"), ("lr", "\(t.learningRate)"), ("schedule", t.schedule.rawValue),
      ("warmup", "\(t.warmup)"), ("clip", "\(t.clip)"), ("weight_decay", "\(t.weightDecay)"),
      ("validation_share", "\(t.validationShare)"),
    ]
    return StepInputs(
      step: step,
      [("model", model), ("select", selected)] + parts(of: source, data: data) + common + options + training)
  }

  /// - Parameter adapter: the fingerprint of its step; nil for the unmodified model.
  func generateInputs(step: String, _ source: Source, model: String, data: String, adapter: String?) -> StepInputs {
    StepInputs(
      step: step,
      [("model", model), ("adapter", adapter ?? "none")] + parts(of: source, data: data) + common
        + [
          ("max_new_tokens", "\(generate.maxNewTokens)"), ("beams", "\(generate.beams)"),
          ("repetition_penalty", generate.repetitionPenalty.map { "\($0)" } ?? "the model's"),
        ])
  }

  /// - Parameter results: the fingerprints of the results of the arms' trainings, in their order; `references` the digests
  ///   of what they are compared with.
  func evaluateInputs(step: String, results: [String], references: [String]) -> StepInputs {
    StepInputs(
      step: step,
      zip(arms.flatMap(runs), results).map { ("results of \($0.name)", $1) }
        + [
          ("references", references.joined(separator: " ")), ("resamples", "\(evaluate.resamples)"),
          ("seed", "\(seed)"),
        ])
  }

  func ablateInputs(_ ablate: Ablate, model: String, data: String, after scored: String) -> StepInputs {
    StepInputs(
      step: "ablate",
      [("model", model), ("score", scored)] + parts(of: ablate.source, data: data) + common
        + [
          ("measure", select.ranked.key), ("heads", ablate.heads.map(String.init).joined(separator: ",")),
          ("seeds", ablate.seeds.map(String.init).joined(separator: ",")),
        ])
  }

  /// Files of data are known by their digests, wherever they lie; pictures by their folder alone.
  private func parts(of source: Source, data: String) -> StepInputs.Parts {
    [("data", data), ("images", place(source.images)), ("limit", source.limit.map(String.init) ?? "none")]
  }

  /// A path that depends neither on the working directory nor, inside the experiment's folder, on where that folder is.
  private func place(_ path: String) -> String {
    let own = fileURL(output).standardizedFileURL.path + "/"
    let full = fileURL(path).standardizedFileURL.path
    return full.hasPrefix(own) ? "OUTPUT/" + full.dropFirst(own.count) : full
  }
}

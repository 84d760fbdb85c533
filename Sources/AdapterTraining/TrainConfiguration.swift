import Foundation
import HeadImpact
import IO
import Jobs
import Kernels
import LowRankAdaptation
import RunSupport
import Transformer
import VisionLanguage

/// Everything that a training run is asked for.
public struct TrainConfiguration: JobConfiguration {
  public static let defaultTargets: [Projection] = [.query, .key, .value, .output]

  /// How long a run is.
  public enum Length: Sendable, Equatable {
    case steps(Int)
    case epochs(Int)
  }

  /// Which state a run with validation examples makes the output's adapter; the other one lies in a folder beside it.
  public enum KeptState: String, Sendable, CaseIterable {
    /// That of the lowest validation loss; the last one is in `last`.
    case best
    /// That of the last step; the best one is in `best`.
    case last

    /// The folder of the other state.
    var otherFolder: String { self == .best ? "last" : "best" }
  }

  /// A published model folder.
  public var model: URL
  /// How the model is shown images and texts.
  public var input = InputOptions()
  /// What to train on: a key-object dataset, COCO captions, or VQA v2 questions (then with `annotations`).
  public var dataset: URL
  /// The answers of a VQA v2 question file.
  public var annotations: URL?
  public var images: URL
  /// The adapter's folder, to be made.
  public var output: URL
  public var prompt = JobDefaults.prompt
  public var precision = Precision.bf16
  /// Takes the first examples only, by id.
  public var limit: Int?

  /// The layers to adapt; nil if `heads` or `initialAdapter` say it.
  public var layers: LayerList?
  /// Restricts the adapter to these heads.
  public var heads: [Selection.Head]?
  /// What chose `layers` or `heads`, and the `model_sha256` that it is of: another model is refused.
  public var scored: [(source: String, modelSHA256: String?)] = []
  /// nil: `defaultTargets`, or those of `initialAdapter`. The same for rank (8) and alpha (twice the rank).
  public var targets: [Projection]?
  public var loraRank: Int?
  public var loraAlpha: Double?
  public var dropout = 0.0
  /// rsLoRA: the update is weighted with alpha / √rank. nil: no, or as `initialAdapter`.
  public var dividesByRoot: Bool?
  /// DoRA: magnitudes are trained too. nil: no, or as `initialAdapter`.
  public var hasMagnitudes: Bool?
  /// A PEFT adapter to start from.
  public var initialAdapter: URL?

  public var length = Length.epochs(1)
  /// Examples per step, over all ranks.
  public var batch = 8
  /// Examples of one pass: more take more memory, and change no result.
  public var microBatch = 1
  public var learningRate = 1e-4
  public var schedule = LearningRateSchedule.Shape.constant
  public var warmup = 0
  /// The greatest norm of a step's gradient; 0 for none.
  public var clip = 1.0
  public var weightDecay = 0.0
  public var seed: UInt64 = 0
  public var shuffles = true

  /// A dataset whose loss is measured on the way, and its images (by default those of `dataset`).
  public var validation: URL?
  public var validationAnnotations: URL?
  public var validationImages: URL?
  /// Or a share of `dataset`'s images, held out by the seed.
  public var validationShare = 0.0
  /// Steps between two measurements; nil: once an epoch, and at the end in any case.
  public var validateEvery: Int?
  /// Ends training after so many measurements in a row that aren't lower than the lowest; nil: trains to the end.
  public var patience: Int?
  public var keeps = KeptState.best

  /// Steps between two checkpoints; nil for none but those of `checkpointMinutes`.
  public var checkpointEvery: Int?
  /// Time between two checkpoints; 0 for none but those of `checkpointEvery`.
  public var checkpointMinutes = 10.0
  /// Where checkpoints go that can't be written beside the output.
  public var salvageFolder: URL?
  /// Continues from the last checkpoint of an interrupted run.
  public var resumes = false
  public var overwrites = false
  public var outputKind: OutputKind { .folder(with: "adapter_config.json") }
  public var inputs: [URL] {
    [dataset, images, model]
      + [annotations, initialAdapter, validation, validationAnnotations, validationImages].compactMap { $0 }
  }

  /// Keeps what lies below the lowest adapted layer.
  public var caches = true
  /// - Units: bytes, of each rank.
  public var cacheMemory = 2 << 30
  /// Where what memory doesn't hold goes; the output's folder by default.
  public var cacheFolder: URL?

  /// The words of the command, for the adapter's README.md; empty if none was typed.
  public var command: [String] = []
  public var threads: Int?
  /// Share of the examples that may be skipped.
  public var allowedSkips = SkipCounts.defaultAllowed
  public var isStrict = false
  public var isQuiet = false
  /// One JSON line a step on standard error instead of the progress line.
  public var logsJSON = false

  public init(model: URL, dataset: URL, images: URL, output: URL) {
    self.model = model
    self.dataset = dataset
    self.images = images
    self.output = output
  }

  /// Whether there are validation examples.
  var isValidated: Bool { validation != nil || validationShare > 0 }

  /// Where everything lies until the adapter is whole.
  var workFolder: URL {
    output.deletingLastPathComponent().appendingPathComponent(output.lastPathComponent + ".training")
  }

  /// The run's checkpoints in `salvageFolder`. The output's path is part of the name: other folders may have outputs of this
  /// name, whose runs salvage there too.
  var salvagedFolder: URL? {
    get throws {
      guard let salvageFolder else { return nil }
      let digest = try Array(output.standardizedFileURL.path.utf8).withUnsafeBytes { try SHA256.hex(of: $0) }
      return salvageFolder.appendingPathComponent("\(workFolder.lastPathComponent)-\(digest.prefix(8))")
    }
  }

  public var work: (url: URL, what: String) { (workFolder, "the checkpoint of an interrupted run") }

  /// - Throws: `JobError` naming the option and what would be right.
  public func validate() throws {
    func atLeast(_ least: Int, _ value: Int?, _ option: String) throws {
      guard let value, value < least else { return }
      throw JobError("\(option) is \(value); it must be at least \(least)")
    }
    // Products of two of them are numbers of examples.
    let most = 1_000_000_000
    func isCount(_ value: Int, _ option: String) throws {
      try atLeast(1, value, option)
      guard value <= most else { throw JobError("\(option) is \(value); it must be at most \(most)") }
    }
    switch length {
    case .steps(let steps): try isCount(steps, "--steps")
    case .epochs(let epochs): try isCount(epochs, "--epochs")
    }
    try isCount(batch, "--batch")
    try isCount(microBatch, "--micro-batch")
    try validateAdapter()
    try atLeast(0, warmup, "--warmup")
    if case .steps(let steps) = length, warmup > steps {
      throw JobError("--warmup is \(warmup); of \(steps) steps in all (--steps) it can be 0...\(steps)")
    }
    try atLeast(1, validateEvery, "--validate-every")
    try atLeast(1, patience, "--patience")
    try atLeast(1, checkpointEvery, "--checkpoint-every")
    guard checkpointMinutes >= 0, checkpointMinutes.isFinite else {
      throw JobError("--checkpoint-minutes is \(checkpointMinutes); it must be at least 0 (0: no checkpoints by time)")
    }
    try atLeast(0, cacheMemory, "--cache-memory")
    try validateShared()
    guard learningRate > 0, learningRate.isFinite else {
      throw JobError("--lr is \(learningRate); it must be above 0 and finite")
    }
    guard clip >= 0, clip.isFinite else { throw JobError("--clip is \(clip); it must be at least 0 (0: no clipping)") }
    guard weightDecay >= 0, weightDecay.isFinite else {
      throw JobError("--weight-decay is \(weightDecay); it must be at least 0")
    }
    guard (0..<1).contains(validationShare) else {
      throw JobError("--validation-share is \(validationShare); it must be at least 0 and less than 1")
    }
    guard validation == nil || validationShare == 0 else {
      throw JobError("--validation and --validation-share both name validation examples; give one of them")
    }
    guard patience == nil || isValidated else {
      throw JobError("--patience needs a validation loss: give --validation or --validation-share")
    }
  }

  /// What can be said of the adapter without the model. An adapter to start from may say the rest.
  private func validateAdapter() throws {
    if let loraRank, loraRank < 1 { throw JobError("--lora-rank is \(loraRank); it must be at least 1") }
    if let loraAlpha, !(loraAlpha > 0 && loraAlpha.isFinite) {
      throw JobError("--lora-alpha is \(loraAlpha); it must be above 0 and finite")
    }
    guard (0..<1).contains(dropout) else {
      throw JobError("--dropout is \(dropout); it must be at least 0 and less than 1")
    }
    guard hasMagnitudes != true || dropout == 0 else {
      throw JobError("--dropout is \(dropout), and DoRA is trained without dropout: omit one of them")
    }
    guard hasMagnitudes != true || heads == nil else {
      throw JobError(
        "--heads and --dora exclude each other: a magnitude scales what all heads of a layer give, not that of one")
    }
  }
}

import AdapterTraining
import ArgumentParser
import Figures
import Foundation
import IO
import Jobs
import Kernels
import LowRankAdaptation
import MessagePassing
import RunSupport
import Transformer

struct Train: ParsableCommand, DependentOptions {
  static let configuration = CommandConfiguration(
    abstract: "Fine-tune chosen decoder layers with LoRA, data-parallel, into a PEFT adapter folder.",
    discussion: """
      headimpact select hi.h5 --strategy top --layers 3 > top3.json
      mpirun -np 4 headimpact train --model DIR --dataset keyobjects.json --images DIR --selection top3.json --output adapter

      OUTPUT gets adapter_config.json, adapter_model.safetensors, training.h5, a README.md and the loss curve (loss.svg, loss.csv, \
      and events for TensorBoard). With a validation loss, the adapter is that of \
      the lowest (--keep), and last/ that of the last step. Until it is complete, checkpoints are in OUTPUT.training; after a kill, --resume continues from the last one, on any number \
      of ranks.
      """)

  @Option(
    help: ArgumentHelp(
      "A YAML file of these options by name (layers: 14,15); those on the command line come first.", valueName: "file"))
  var config: String?
  @OptionGroup var model: ModelOption
  @OptionGroup var input: InputArguments
  @Option(
    help: ArgumentHelp(
      "What to train on: a key-object dataset, COCO captions, or VQA v2 questions with --annotations.",
      valueName: "file"))
  var dataset: String
  @OptionGroup var source: AnswersAndImagesOptions
  @Option(help: ArgumentHelp("The adapter folder to write.", valueName: "dir"))
  var output: String

  @Option(help: ArgumentHelp("The layers to adapt: 14,15, 1-3 or all.", valueName: "list"))
  var layers: String?
  @Option(help: ArgumentHelp("A file written by select, with the layers to adapt.", valueName: "file"))
  var selection: String?
  @Option(
    help: ArgumentHelp(
      "Train the parts of these heads only: 14.3,15.0, or top:K, the first K heads of --selection or of --hi.",
      valueName: "heads"))
  var heads: String?
  @Option(help: ArgumentHelp("The HDF5 file of a scoring run, whose best heads top:K takes.", valueName: "file"))
  var hi: String?
  @Option(help: ArgumentHelp("Modules to adapt (default: q_proj,k_proj,v_proj,o_proj).", valueName: "list"))
  var targets: String?
  @Option(help: ArgumentHelp("LoRA rank (default: 8).", valueName: "r"))
  var loraRank: Int?
  @Option(
    help: ArgumentHelp("LoRA alpha: the delta is scaled by alpha / rank (default: twice the rank).", valueName: "x"))
  var loraAlpha: Double?
  @Option(
    help: ArgumentHelp(
      "LoRA dropout: share of the delta's inputs dropped at random during training.", valueName: "share"))
  var dropout = 0.0
  @Flag(help: "Train DoRA: a magnitude of each output of the adapted modules too.")
  var dora = false
  @Flag(help: "Scale the delta by alpha / square root of the rank (rsLoRA).")
  var rslora = false
  @Option(
    name: .customLong("init"),
    help: ArgumentHelp("A PEFT adapter to start from; layers, targets, rank and alpha are its own.", valueName: "dir"))
  var initialAdapter: String?

  @Option(help: ArgumentHelp("Passes over the data (default: 1).", valueName: "n"))
  var epochs: Int?
  @Option(help: ArgumentHelp("Optimiser steps, instead of --epochs.", valueName: "n"))
  var steps: Int?
  @Option(help: ArgumentHelp("Examples per step, over all ranks.", valueName: "n"))
  var batch = 8
  @Option(
    help: ArgumentHelp(
      "Examples computed at a time: affects memory and speed, not results.", valueName: "n"))
  var microBatch = 1
  @Option(help: ArgumentHelp("Learning rate.", valueName: "x"))
  var lr = 1e-4
  @Option(help: "Learning-rate schedule after the warm-up.")
  var schedule = LearningRateSchedule.Shape.constant
  @Option(help: ArgumentHelp("Steps over which the learning rate rises from zero.", valueName: "n"))
  var warmup = 0
  @Option(help: ArgumentHelp("Maximum gradient norm (clipping); 0 for no limit.", valueName: "x"))
  var clip = 1.0
  @Option(help: ArgumentHelp("AdamW's decoupled weight decay.", valueName: "x"))
  var weightDecay = 0.0
  @Option(help: "Seed of the new adapter, the order, dropout and the validation share.")
  var seed: UInt64 = 0
  @Option(help: "The order of examples: reshuffled each epoch with the seed, or by id.")
  var shuffle = Shuffle.seeded
  @OptionGroup var asking: PromptOption
  @Option(help: "The type of matrix-product operands; the adapter is float32.")
  var precision = Precision.bf16
  @OptionGroup var first: ExampleLimitOption

  @Option(
    help: ArgumentHelp("A dataset whose loss is measured during training; the best adapter is kept.", valueName: "file")
  )
  var validation: String?
  @Option(help: ArgumentHelp("The answers of --validation, if it is a VQA v2 question file.", valueName: "file"))
  var validationAnnotations: String?
  @Option(help: ArgumentHelp("The images of --validation (default: --images).", valueName: "dir"))
  var validationImages: String?
  @Option(help: ArgumentHelp("Share of --dataset's images to hold out, instead of --validation.", valueName: "share"))
  var validationShare = 0.0
  @Option(
    help: ArgumentHelp(
      "Steps between measurements of the validation loss (default: once per epoch).", valueName: "n"))
  var validateEvery: Int?

  @Option(
    help: ArgumentHelp(
      "Stop after N measurements in a row without a lower validation loss (default: train to the end).", valueName: "n")
  )
  var patience: Int?
  @Option(
    help: ArgumentHelp(
      "Which state OUTPUT's adapter is: that of the lowest validation loss, or the last. The other is in OUTPUT/last or "
        + "OUTPUT/best (default: best).", valueName: "state"))
  var keep: TrainConfiguration.KeptState?

  @Option(help: ArgumentHelp("Minutes between checkpoints; 0 for none by time.", valueName: "n"))
  var checkpointMinutes = 10.0
  @Option(help: ArgumentHelp("Steps between further checkpoints (default: none).", valueName: "n"))
  var checkpointEvery: Int?
  @Option(
    help: ArgumentHelp(
      "Folder on another file system for a checkpoint that can't be written beside the output; --resume looks there too.",
      valueName: "dir"))
  var salvageDir: String?
  @Flag(help: "Continue from the last checkpoint of an interrupted run.")
  var resume = false
  @OptionGroup var replacing: OverwriteOption
  @Option(
    help: ArgumentHelp(
      "Memory per rank for cached hidden states below the lowest adapted layer: 2GiB, 500MB, 0.",
      valueName: "size"))
  var cacheMemory = ByteCount(bytes: 2 << 30)
  @Option(
    help: ArgumentHelp(
      "Folder of the temporary file for what exceeds --cache-memory (default: the folder of --output).",
      valueName: "dir"))
  var cacheDir: String?
  @Flag(name: .customLong("no-cache"), help: "Recompute these hidden states every time: slower, with the same losses.")
  var noCache = false

  @OptionGroup var threads: ThreadsOption
  @OptionGroup var skipping: SkipOptions
  @Flag(help: "If images or texts can't be used, list them all and stop, instead of skipping them.")
  var strict = false
  @Option(help: "Progress as text, or as one JSON line per step.")
  var logFormat = LogFormat.text
  @OptionGroup var waiting: SilenceOption
  @OptionGroup var printing: PrintOptions

  func validate() throws {
    try replacing.validate(resumes: resume)
    guard epochs == nil || steps == nil else { throw ValidationError("Give --epochs or --steps, not both.") }
    guard layers == nil || selection == nil else { throw ValidationError("Give --layers or --selection, not both.") }
    guard layers != nil || selection != nil || heads != nil || initialAdapter != nil else {
      throw ValidationError("Name what to adapt with --layers, --selection, --heads or --init.")
    }
    guard keep != .best || isValidated else {
      throw ValidationError("--keep best needs a validation loss: give --validation or --validation-share.")
    }
    _ = try target()
    try Judged.values { try configured(model: fileURL(model.model)).validate() }
  }

  private var isValidated: Bool { validation != nil || validationShare > 0 }

  private func target() throws -> AdapterTargetSpec {
    try AdapterTargetSpec(layers: layers, selection: selection, heads: heads, hi: hi)
  }

  var dependences: [Dependence] {
    [
      Dependence("hi", need: "--heads top:K", if: heads?.hasPrefix("top:") == true),
      Dependence("validation-annotations", "validation-images", need: "--validation", if: validation != nil),
      Dependence("validate-every", need: "--validation or --validation-share", if: isValidated),
      Dependence("cache-memory", "cache-dir", need: "the cache, which --no-cache leaves out", if: !noCache),
    ]
  }

  func run() throws {
    let configuration = try trainConfiguration()
    let summary = try Communicator.withStoppableWorld(silence: waiting.rules) {
      try TrainingJob(configuration, on: $0).run()
    }
    guard let summary else { return }
    switch printing.format {
    case .json: print(try jsonText(summary))
    case .table: print(Self.text(summary))
    }
    try skipping.check(summary.skips)
  }

  private static func text(_ summary: TrainingJob.Summary) -> String {
    var rows = [
      [
        "trained parameters",
        "\(summary.trainedParameters.formatted()) (\(NumberText.plain(summary.trainedShare))%)",
      ],
      ["steps", "\(summary.steps)"],
      ["loss, first and last step", "\(NumberText.plain(summary.firstLoss)) \(NumberText.plain(summary.lastLoss))"],
    ]
    if let first = summary.firstValidationLoss, let best = summary.bestValidationLoss,
      let step = summary.bestValidationStep
    {
      rows.append([
        "validation loss", "\(NumberText.plain(first)) before, \(NumberText.plain(best)) at best (step \(step))",
      ])
    }
    if summary.stoppedEarly {
      rows.append(["stopped early", "the validation loss fell no more"])
    }
    if let skipped = summary.skips.text { rows.append(["examples", "\(summary.skips.samples), \(skipped)"]) }
    return aligned(rows) + "\n\n-> \(summary.output)\(summary.isNew ? "" : "; it was already finished")"
  }

  private func trainConfiguration() throws -> TrainConfiguration {
    let targets = try target().targets()
    var c = try configured(model: try model.url)
    c.layers = targets.layers
    c.heads = targets.heads
    c.scored = targets.scored
    return c
  }

  /// Without the layers and heads, but with whether it is heads.
  private func configured(model: URL) throws -> TrainConfiguration {
    var c = TrainConfiguration(
      model: model, dataset: fileURL(dataset), images: source.images.url, output: fileURL(output))
    c.input = input.options
    c.annotations = source.answersURL
    c.prompt = asking.prompt
    c.precision = precision
    c.limit = first.limit
    c.heads = heads.map { _ in [] }
    c.targets = try targets.map(projections)
    c.loraRank = loraRank
    c.loraAlpha = loraAlpha
    c.dropout = dropout
    c.hasMagnitudes = dora ? true : nil
    c.dividesByRoot = rslora ? true : nil
    c.initialAdapter = initialAdapter.map(fileURL)
    c.length = steps.map { .steps($0) } ?? .epochs(epochs ?? 1)
    c.batch = batch
    c.microBatch = microBatch
    c.learningRate = lr
    c.schedule = schedule
    c.warmup = warmup
    c.clip = clip
    c.weightDecay = weightDecay
    c.seed = seed
    c.shuffles = shuffle == .seeded
    c.validation = validation.map(fileURL)
    c.validationAnnotations = validationAnnotations.map(fileURL)
    c.validationImages = validationImages.map(fileURL)
    c.validationShare = validationShare
    c.validateEvery = validateEvery
    c.patience = patience
    c.keeps = keep ?? .best
    c.checkpointMinutes = checkpointMinutes
    c.checkpointEvery = checkpointEvery
    c.salvageFolder = salvageDir.map(fileURL)
    c.resumes = resume
    c.overwrites = replacing.overwrite
    c.caches = !noCache
    c.cacheMemory = cacheMemory.bytes
    c.cacheFolder = cacheDir.map(fileURL)
    c.take(threads: threads, skipping, isStrict: strict, printing)
    c.command = ["headimpact"] + CommandLine.arguments.dropFirst()
    c.logsJSON = logFormat == .json
    return c
  }

  private func projections(_ list: String) throws -> [Projection] {
    try Judged.parts(list, "--targets", such: "q_proj,v_proj").map { name in
      guard let projection = Projection(rawValue: name) else {
        let all = Projection.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("--targets: \"\(name)\" is not one of \(all).")
      }
      return projection
    }
  }
}

enum Shuffle: String, CaseIterable, ExpressibleByArgument {
  case seeded
  case none
}

enum LogFormat: String, CaseIterable, ExpressibleByArgument {
  case text
  case json
}

extension LearningRateSchedule.Shape: ExpressibleByArgument {}

extension TrainConfiguration.KeptState: ExpressibleByArgument {}

/// "2GiB", "500MB", "1000000".
struct ByteCount: ExpressibleByArgument {
  let bytes: Int

  init(bytes: Int) { self.bytes = bytes }

  init?(argument: String) {
    let units: [(String, Double)] = [
      ("KiB", 0x1p10), ("MiB", 0x1p20), ("GiB", 0x1p30), ("TiB", 0x1p40), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9),
      ("TB", 1e12),
      ("B", 1), ("", 1),
    ]
    for (unit, factor) in units where argument.hasSuffix(unit) {
      guard let number = Double(argument.dropLast(unit.count).trimmingCharacters(in: .whitespaces)),
        let bytes = Int(exactly: (number * factor).rounded()), bytes >= 0
      else { return nil }
      self.bytes = bytes
      return
    }
    return nil
  }

  var defaultValueDescription: String { bytes % (1 << 30) == 0 ? "\(bytes >> 30)GiB" : "\(bytes)" }
}

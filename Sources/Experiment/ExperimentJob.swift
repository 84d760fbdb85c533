import AdapterTraining
import Demonstration
import Foundation
import Generation
import HDF5Store
import HeadImpact
import IO
import ImageInput
import Jobs
import Kernels
import MessagePassing
import RunSupport
import Safetensors
import Scoring
import VisionLanguage

/// The paper's protocol from one file: score, select, train every arm, generate, evaluate, ablate, report.
///
/// Each step runs the job of one command with the file's options. All outputs are in one folder, which
/// explains itself; `StepLedger` knows what is done.
public struct ExperimentJob {
  /// What an experiment does with a folder that is there already.
  public enum Start: Sendable, Equatable {
    /// Refuses it.
    case fresh
    /// Continues in one that an earlier run left; with the intact records of a step's damaged journal if it salvages them.
    case resumed(salvages: Bool)
    /// Replaces an earlier experiment, which stays in the folder until the new one is complete.
    case overwriting
  }

  private let configuration: ExperimentConfiguration
  private let file: URL?
  private let start: Start
  private let isQuiet: Bool
  private let world: Communicator
  private let folder: ExperimentFolder

  /// - Parameter file: what the configuration was read from: never replaced.
  public init(
    _ configuration: ExperimentConfiguration, file: URL? = nil, _ start: Start, isQuiet: Bool, on world: Communicator
  ) {
    self.configuration = configuration
    self.file = file
    self.start = start
    self.isQuiet = isQuiet
    self.world = world
    folder = ExperimentFolder(url: URL(fileURLWithPath: configuration.output))
  }

  /// Runs the experiment. Every rank calls it at the same time.
  ///
  /// - Returns: on rank 0 what was found; nil elsewhere.
  /// - Throws: errors of the inputs or of a step; finished steps stay done.
  public func run() throws -> ExperimentOutcome? {
    var lock: RunLock?
    defer { lock?.release() }
    try world.agree { if world.rank == 0 { try openFolder(&lock) } }
    let book = StepLedger(folder: folder, lock: lock, total: steps, isQuiet: isQuiet, on: world)
    let data = try prepare(book)
    try world.agree { if world.rank == 0 { try configuration.checkArms() } }
    let model = try world.agree { try modelDigest() }
    let scored = try score(book, data: data, model: model)
    let table = try world.agree { try HeadImpactFile.read(folder.headImpact).table }
    let arms = try world.agree { try configuration.arms.map { try layers(of: $0, table) } }
    try scoreOtherPrompts(book, data: data, model: model)
    let selected = try select(book, table, after: scored)
    let budgets = try world.agree { try ArmBudget.all(of: arms, configuration) }
    var found: [TaskOutcome] = []
    for task in configuration.tasks {
      let (results, trained) = try adapt(
        task, arms: arms, budgets: budgets, book, data: data, model: model, after: selected)
      try evaluate(task, book, results: results, references: data.references(of: task))
      if world.rank == 0 { found.append(try TaskOutcome(contentsOf: folder.metrics(task.kind))) }
      for arm in configuration.scoreAfter {
        try scoreAgain(task.kind, arm, book, data: data, model: model, adapter: trained[arm] ?? "")
      }
    }
    if let ablate = configuration.ablate {
      try self.ablate(ablate, table, book, data: data, model: model, after: scored)
    }
    guard world.rank == 0 else { return nil }
    let ablation = try configuration.ablate.map { _ in try AblationResult(contentsOf: folder.ablation) }
    let outcome = ExperimentOutcome(
      configuration, arms: arms, budgets: budgets, tasks: found, prompts: try PromptAgreement(configuration, folder),
      ablation: ablation, records: book.records)
    try AtomicFile.write(Data((outcome.json() + "\n").utf8), to: folder.outcome)
    try ExperimentPage(configuration, outcome, folder: folder).page().write(to: folder.report, overwrites: true)
    try folder.removeReplaced()
    return outcome
  }

  typealias TaskKind = ExperimentConfiguration.TaskData.Kind

  /// Steps of the ledger.
  private var steps: Int {
    let texts = configuration.arms.flatMap(configuration.runs).count
    let perTask = texts - 1 + texts + 1 + configuration.scoreAfter.count
    return (configuration.demonstration == nil ? 0 : 1) + 2 + configuration.otherPrompts.count
      + configuration.tasks.count * perTask
      + (configuration.ablate == nil ? 0 : 1)
  }

  private var isResumed: Bool { if case .resumed = start { true } else { false } }
  private var salvages: Bool { start == .resumed(salvages: true) }

  /// - Parameter lock: receives the folder's, beside it.
  private func openFolder(_ lock: inout RunLock?) throws {
    try FileSystem.makeFolder(folder.url.deletingLastPathComponent())
    lock = try RunLock(for: folder.url, resumes: isResumed, wait: world.attend)
    if !isResumed {
      let inputs = configuration.inputs + (file.map { [$0] } ?? [])
      if let reason = try folder.refusal(inputs: inputs, overwrites: start == .overwriting) {
        throw ExperimentError("\(folder.url.path): \(reason)")
      }
      try folder.setAside()
    }
    try FileSystem.makeFolder(folder.steps)
    let name = folder.url.lastPathComponent
    lock?.removeLeftovers(of: [name, "\(name).lock"], in: folder.url.deletingLastPathComponent())
    for place in folder.all { lock?.removeLeftovers(of: nil, in: place) }
    try AtomicFile.write(Data(configuration.yaml().utf8), to: folder.configuration)
  }

  // MARK: - Steps

  /// Writes the demonstration if the file asks for it, and reads every data file once.
  private func prepare(_ book: StepLedger) throws -> DataDigests {
    var made = ""
    if let demonstration = configuration.demonstration {
      made = try book.step(
        "demonstration", inputs: configuration.demonstrationInputs(demonstration), outputs: [folder.demonstration]
      ) { _ in
        try world.agree { if world.rank == 0 { try write(demonstration) } }
      }
    }
    let digests = try world.agree { world.rank == 0 ? try DataDigests(of: configuration, demonstration: made) : nil }
    let json = try world.broadcast(try digests.map { Array(try JSONEncoder().encode($0)) })
    return try JSONDecoder().decode(DataDigests.self, from: Data(json))
  }

  private func write(_ demonstration: ExperimentConfiguration.Demonstration) throws {
    let wording: SceneWording = demonstration.shifted ? .shifted : .taught
    try FileSystem.makeFolder(folder.demonstration)
    try DemoModel.write(to: folder.demonstration.appendingPathComponent("model"), overwrites: true)
    for (name, split, count, wording) in [
      ("taught", DemoDataset.Split.test, demonstration.testScenes, SceneWording.taught),
      ("test", .test, demonstration.testScenes, wording), ("train", .train, demonstration.trainScenes, wording),
    ] {
      try DemoDataset(split: split, count: count, wording: wording).write(
        to: folder.demonstration.appendingPathComponent(name), overwrites: true
      ) { width, height, pixels in try encodePNG(RGBImage(width: width, height: height, pixels: pixels)) }
    }
  }

  private func scoring(_ output: URL) throws -> ScoreConfiguration {
    let source = configuration.score.source
    var c = ScoreConfiguration(
      model: try configuration.modelFolder(), dataset: fileURL(source.dataset), images: fileURL(source.images),
      output: output)
    c.input = configuration.input
    c.prompt = configuration.prompt
    c.precision = configuration.precision
    c.limit = source.limit
    c.options = configuration.score.options
    c.options.seed = UInt64(configuration.seed)
    c.threads = configuration.threads
    c.allowedSkips = configuration.allowSkips
    c.isQuiet = isQuiet
    return c
  }

  /// Digests of the weight files' headers, of sampled weights, and of all other files in the model folder that affect numbers.
  ///
  /// - Parameter generates: of texts too.
  private func modelDigest(generates: Bool = false) throws -> String {
    let folder = try configuration.modelFolder()
    let files = try ModelFiles(
      folder: folder, chatTemplate: configuration.input.chatTemplate, generates: generates)
    let weights = try SafetensorsCheckpoint(folder: folder)
    return ([("weights", try weights.headerDigest()), ("sampled weights", try weights.sampleDigest())] + files.parts)
      .map { "\($0) \($1)" }.joined(separator: ", ")
  }

  /// A step that skipped too many samples stops the experiment: later steps would rest on the others only.
  ///
  /// - Parameter skips: of the step's job, on rank 0.
  private func checkSkips(_ skips: SkipCounts?, of step: String) throws {
    try world.agree {
      guard let skips, skips.exceed(configuration.allowSkips) else { return }
      throw ExperimentError(
        "\(step): of \(skips.samples) samples \(skips.text ?? ""), more than allow_skips ("
          + "\(configuration.allowSkips)) permits; fix the data, or raise allow_skips and continue with --resume")
    }
  }

  private func score(_ book: StepLedger, data: DataDigests, model: String) throws -> String {
    let inputs = configuration.scoreInputs(model: model, data: data[configuration.score.source])
    return try book.step("score", inputs: inputs, outputs: [folder.headImpact]) { resumes in
      var c = try scoring(folder.headImpact)
      (c.resumes, c.salvages) = (resumes, salvages)
      try checkSkips(try ScoringJob(c, on: world).run()?.skips, of: "score")
    }
  }

  private func scoreOtherPrompts(_ book: StepLedger, data: DataDigests, model: String) throws {
    for (place, prompt) in configuration.otherPrompts.enumerated() {
      let (name, output) = ("score prompt-\(place + 2)", folder.headImpact(prompt: place + 2))
      let inputs = configuration.scoreInputs(
        step: name, model: model, data: data[configuration.score.source], prompt: prompt)
      try book.step(name, inputs: inputs, outputs: [output]) { resumes in
        var c = try scoring(output)
        c.prompt = prompt
        (c.resumes, c.salvages) = (resumes, salvages)
        try checkSkips(try ScoringJob(c, on: world).run()?.skips, of: name)
      }
    }
  }

  private func scoreAgain(
    _ task: TaskKind, _ arm: Arm, _ book: StepLedger, data: DataDigests, model: String, adapter: String
  ) throws {
    let output = folder.headImpactAfter(task, arm)
    let name = "score after \(task.rawValue)/\(arm.name)"
    let inputs = configuration.scoreInputs(
      step: name, model: model, data: data[configuration.score.source], adapter: adapter)
    try book.step(name, inputs: inputs, outputs: [output]) { resumes in
      var c = try scoring(output)
      c.adapter = folder.adapter(task, configuration.runs(of: arm)[0])
      (c.resumes, c.salvages) = (resumes, salvages)
      try checkSkips(try ScoringJob(c, on: world).run()?.skips, of: name)
    }
  }

  private func layers(of arm: Arm, _ table: HeadImpactTable) throws -> ArmLayers {
    let select = configuration.select
    return try ArmLayers(arm, table: table, measure: select.ranked, layers: select.layers, heads: select.heads)
  }

  private func select(_ book: StepLedger, _ table: HeadImpactTable, after scored: String) throws -> String {
    let arms = configuration.arms.compactMap { arm in Self.strategy(of: arm).map { (arm, $0) } }
    let select = configuration.select
    return try book.step(
      "select", inputs: configuration.selectInputs(after: scored), outputs: arms.map { folder.selection($0.0) }
    ) { _ in
      try world.agree {
        guard world.rank == 0 else { return }
        let contents = try HeadImpactFile.read(folder.headImpact)
        for (arm, strategy) in arms {
          var seed: UInt64 = 0
          if case .random(let drawn) = arm { seed = drawn }
          var selection = try Selection(
            from: table, strategy: strategy, measure: select.ranked, layers: select.layers,
            topHeads: arm == .topHeads ? select.heads : 0, seed: seed)
          selection.modelName = contents.modelName
          selection.modelSHA256 = contents.modelSHA256
          selection.source = folder.headImpact.lastPathComponent
          try AtomicFile.write(Data((selection.json() + "\n").utf8), to: folder.selection(arm))
        }
      }
    }
  }

  private static func strategy(of arm: Arm) -> Selection.Strategy? {
    switch arm {
    case .pretrained, .all: nil
    case .top, .topHeads: .top
    case .bottom: .bottom
    case .random: .random
    }
  }

  /// Trains every arm on a task and generates its texts.
  ///
  /// - Returns: fingerprints of the results, and those of the adapters by arm.
  private func adapt(
    _ task: ExperimentConfiguration.TaskData, arms: [ArmLayers], budgets: [Arm: ArmBudget], _ book: StepLedger,
    data: DataDigests, model: String, after selected: String
  ) throws -> (results: [String], trained: [Arm: String]) {
    let lowest = arms.compactMap(\.layers.first).min() ?? 0
    let memory = configuration.train.cacheMemoryMB * 1_000_000
    let cacheFolder = configuration.train.cacheFolder.map(fileURL) ?? folder.url
    let speaking = try world.agree { try modelDigest(generates: true) }
    var results: [ArmRun: String] = [:]
    var trained: [Arm: String] = [:]
    for seed in configuration.trainingSeeds {
      // Half the memory for what all arms share, half for the arm's own. Another seed holds out other images.
      let shared = SharedPrefixes(layer: lowest, memoryLimit: memory / 2, folder: cacheFolder)
      for arm in arms {
        guard let run = configuration.runs(of: arm.arm).first(where: { $0.seed == seed || budgets[arm.arm] == nil }),
          results[run] == nil
        else { continue }
        let adapter = folder.adapter(task.kind, run)
        var made: String?
        if let budget = budgets[arm.arm] {
          var c = training(task, arm, run, budget)
          let step = "train \(task.kind.rawValue)/\(run.name)"
          let inputs = configuration.trainInputs(
            step: step, task.train, arm: arm, budget: budget, seed: run.seed, model: model, data: data[task.train],
            after: selected)
          made = try book.step(step, inputs: inputs, outputs: [adapter]) { resumes in
            c.cacheMemory = memory / 2
            c.cacheFolder = cacheFolder
            c.salvageFolder = salvageFolder(task)
            c.resumes = resumes
            try checkSkips(try TrainingJob(c, on: world, shared: shared).run()?.skips, of: step)
          }
          // What is measured after training is the first of an arm's trainings.
          trained[arm.arm] = trained[arm.arm] ?? made
        }
        results[run] = try generate(
          task, run, adapter: made.map { (adapter, $0) }, book, data: data[task.test], model: speaking)
      }
    }
    return (configuration.arms.flatMap(configuration.runs).compactMap { results[$0] }, trained)
  }

  private func salvageFolder(_ task: ExperimentConfiguration.TaskData) -> URL? {
    configuration.train.salvageFolder.map {
      fileURL($0).appendingPathComponent(folder.url.lastPathComponent).appendingPathComponent(task.kind.rawValue)
    }
  }

  /// Generates the texts of an arm.
  ///
  /// - Parameter adapter: where it is, and the fingerprint of its step; nil for the unmodified model.
  /// - Returns: the fingerprint of the results.
  private func generate(
    _ task: ExperimentConfiguration.TaskData, _ run: ArmRun, adapter: (folder: URL, made: String)?, _ book: StepLedger,
    data: String, model: String
  ) throws -> String {
    let output = folder.results(task.kind, run)
    let step = "generate \(task.kind.rawValue)/\(run.name)"
    let inputs = configuration.generateInputs(step: step, task.test, model: model, data: data, adapter: adapter?.made)
    return try book.step(step, inputs: inputs, outputs: [output, RunFile.url(of: output)]) { resumes in
      var c = try generating(task, output: output)
      c.adapter = adapter?.folder
      (c.resumes, c.salvages) = (resumes, salvages)
      try checkSkips(try GenerationJob(c, on: world).run()?.skips, of: step)
    }
  }

  private func training(
    _ task: ExperimentConfiguration.TaskData, _ arm: ArmLayers, _ run: ArmRun, _ budget: ArmBudget
  ) -> TrainConfiguration {
    var c = budget.configuration(configuration, arm)
    c.seed = UInt64(run.seed)
    c.dataset = fileURL(task.train.dataset)
    c.annotations = task.train.annotations.map(fileURL)
    c.images = fileURL(task.train.images)
    c.limit = task.train.limit
    c.output = folder.adapter(task.kind, run)
    c.threads = configuration.threads
    c.allowedSkips = configuration.allowSkips
    c.isQuiet = isQuiet
    return c
  }

  private func generating(_ task: ExperimentConfiguration.TaskData, output: URL) throws -> GenerateConfiguration {
    var c = GenerateConfiguration(
      model: try configuration.modelFolder(), dataset: fileURL(task.test.dataset), images: fileURL(task.test.images),
      output: output)
    c.input = configuration.input
    c.prompt = configuration.prompt
    c.precision = configuration.precision
    c.limit = task.test.limit
    c.decoding = configuration.decoding
    c.threads = configuration.threads
    c.allowedSkips = configuration.allowSkips
    c.isQuiet = isQuiet
    return c
  }

  private func evaluate(
    _ task: ExperimentConfiguration.TaskData, _ book: StepLedger, results: [String], references: [String]
  ) throws {
    let output = folder.metrics(task.kind)
    let step = "evaluate \(task.kind.rawValue)"
    let inputs = configuration.evaluateInputs(step: step, results: results, references: references)
    try book.step(step, inputs: inputs, outputs: [output]) { _ in
      try world.agree {
        guard world.rank == 0 else { return }
        let evaluation = TaskEvaluation(task, configuration, folder: folder)
        try evaluation.outcome().write(to: output)
      }
    }
  }

  private func ablate(
    _ ablate: ExperimentConfiguration.Ablate, _ table: HeadImpactTable, _ book: StepLedger, data: DataDigests,
    model: String, after scored: String
  ) throws {
    let inputs = configuration.ablateInputs(ablate, model: model, data: data[ablate.source], after: scored)
    try book.step("ablate", inputs: inputs, outputs: [folder.ablation]) { resumes in
      var c = AblateConfiguration(
        model: try configuration.modelFolder(), dataset: fileURL(ablate.source.dataset),
        images: fileURL(ablate.source.images),
        output: folder.ablation,
        ablations: try Ablation.byHeadImpact(
          table, measure: configuration.select.ranked, counts: ablate.heads,
          randomSeeds: ablate.seeds.map(UInt64.init))
      )
      c.annotations = ablate.source.annotations.map(fileURL)
      c.input = configuration.input
      c.prompt = configuration.prompt
      c.precision = configuration.precision
      c.limit = ablate.source.limit
      c.seed = UInt64(configuration.seed)
      c.threads = configuration.threads
      c.allowedSkips = configuration.allowSkips
      c.isQuiet = isQuiet
      (c.resumes, c.salvages) = (resumes, salvages)
      try checkSkips(try AblationJob(c, on: world).run()?.result.skips, of: "ablate")
    }
  }
}

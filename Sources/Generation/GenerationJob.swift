import COCO
import Foundation
import Jobs
import Kernels
import LowRankAdaptation
import MessagePassing
import Safetensors
import VisionLanguage

/// The generation job: rank 0 reads the dataset and shares out its images; every rank answers what is asked about those it
/// gets; rank 0 gathers the texts and writes one JSON file.
public struct GenerationJob {
  private let configuration: GenerationConfiguration
  private let world: Communicator

  /// What a finished run reports.
  public struct Summary: Sendable, Encodable {
    public let output: String
    /// Texts in the output.
    public let answers: Int
    public let skipped: Int
    /// The time of the generation itself, in seconds; 0 where nothing was left to do.
    public let seconds: Double
    /// False where the output was there already, finished by the run to resume.
    public let isNew: Bool
  }

  public init(_ configuration: GenerationConfiguration, on world: Communicator) {
    self.configuration = configuration
    self.world = world
  }

  /// Runs the job. Every rank calls it at the same time.
  ///
  /// - Returns: on rank 0 what was done; nil elsewhere.
  /// - Throws: what is wrong with the inputs or went wrong on the way. Under MPI, let it leave
  ///   `Communicator.withWorld`, which stops every rank.
  public func run() throws -> Summary? {
    let isFinished = try agreeOnOutput()
    let bytes = try world.readForAll(configuration.dataset)
    let names = try imageNames()
    let threads = configuration.threads ?? JobDefaults.threads(localRanks: world.localSize)
    let (model, dataset, identity) = try world.agree { () -> Inputs in
      let dataset = try ImageTextDataset(json: bytes, name: configuration.dataset.path) { names }
      let context = try ComputeContext(precision: configuration.precision, team: ThreadTeam(count: threads))
      let model = try ModelRegistry.load(folder: configuration.model, context: context)
      if let adapter = configuration.adapter {
        model.decoder.adapter = try PEFTAdapter.load(folder: adapter, for: model).adapter
      }
      return (model, dataset, try self.identity(of: model, bytes))
    }
    try world.agree(on: identity)
    let plan = GenerationPlan(
      dataset, limit: configuration.limit, prompt: configuration.prompt,
      maxNewTokens: configuration.decoding.maxNewTokens, dimensions: model.dimensions, layout: model.visualLayout)
    guard plan.answers > 0 else {
      throw JobError("\(configuration.dataset.path): has nothing to generate for: no annotation and no question")
    }
    if isFinished { return world.rank == 0 ? try finishedSummary(plan) : nil }
    return try generate(plan, model: model, identity: identity)
  }

  private typealias Inputs = (any VisionLanguageModel, ImageTextDataset, RunIdentity)

  // MARK: - The run

  private func generate(
    _ plan: GenerationPlan, model: any VisionLanguageModel, identity: RunIdentity
  ) throws -> Summary? {
    var log = AnswerLog()
    let journal = try world.agree {
      guard world.rank == 0 else { return nil as Journal? }
      return try openJournal(identity) { log.note($0) }
    }
    let progress =
      world.rank == 0
      ? ProgressReporter(
        total: plan.answers, begun: log.count, ranks: world.worldSize, isQuiet: configuration.isQuiet) : nil
    if configuration.isStrict, let first = log.skipped.min(by: { $0.id < $1.id }) {
      throw JobError(
        "\(what(plan)) \(first.id) could not be used by the run to resume (--strict): \(first.reason)\n"
          + "Resume without --strict, or mend it and remove \(configuration.journal.path) to start afresh")
    }
    if log.count > 0 { progress?.note("resuming: \(log.count) of \(plan.answers) samples are done") }

    let start = Date()
    let writer = UnitWriter(model: model, configuration: configuration)
    let sharing = WorkSharing(
      world, order: plan.order.filter { journal?.records[Int(plan.units[$0].imageID)] == nil },
      onResult: { _, _, bytes in
        let result = try UnitAnswers(decoding: bytes)
        try journal?.append(bytes, key: Int(result.imageID))
        for sample in log.note(result) { progress?.warn("\(what(plan)) \(sample.id) is skipped: \(sample.reason)") }
        progress?.advance(by: result.outcomes.count)
      })
    while let unit = try sharing.next() {
      let result = try writer.answer(plan.units[unit], poll: sharing.poll)
      for case .skipped(let reason) in result.outcomes.map(\.kind) where configuration.isStrict {
        throw JobError("image \(result.imageID) can't be used (--strict): \(reason)")
      }
      try sharing.submit(result.encode(), for: unit)
    }
    try sharing.finish()
    guard world.rank == 0, let journal else { return nil }
    try journal.flush()
    progress?.finish()
    return try write(log, plan, journal, seconds: Date().timeIntervalSince(start))
  }

  /// The texts so far, and what was skipped and why.
  private struct AnswerLog {
    private(set) var texts: [(id: Int64, text: String)] = []
    private(set) var skipped: [(id: Int64, reason: String)] = []

    var count: Int { texts.count + skipped.count }

    /// - Returns: what was skipped in this result.
    @discardableResult
    mutating func note(_ result: UnitAnswers) -> [(id: Int64, reason: String)] {
      var fresh: [(id: Int64, reason: String)] = []
      for outcome in result.outcomes {
        switch outcome.kind {
        case .answered(let text): texts.append((outcome.id, text))
        case .skipped(let reason): fresh.append((outcome.id, reason))
        }
      }
      skipped += fresh
      return fresh
    }
  }

  private func write(_ log: AnswerLog, _ plan: GenerationPlan, _ journal: Journal, seconds: Double) throws -> Summary {
    guard !log.texts.isEmpty else {
      // Nothing in it is worth going on from, and it would bar the way of the next attempt.
      try journal.remove()
      let first = log.skipped.sorted { $0.id < $1.id }.prefix(5)
      throw JobError(
        "no image could be used, so there is no text:\(first.map { "\n  \(what(plan)) \($0.id): \($0.reason)" }.joined())"
      )
    }
    try ResultsFile.write(log.texts.sorted { $0.id < $1.id }, kind: plan.kind, to: configuration.output)
    try journal.remove()
    return Summary(
      output: configuration.output.path, answers: log.texts.count, skipped: log.skipped.count, seconds: seconds,
      isNew: true)
  }

  /// What a person calls that which has an answer.
  private func what(_ plan: GenerationPlan) -> String { plan.kind == .captions ? "image" : "question" }

  // MARK: - Before the run

  /// Settles on rank 0, for all, whether there is anything to do.
  private func agreeOnOutput() throws -> Bool {
    let isFinished = try world.agree { () -> Bool in
      try configuration.validate()
      guard world.rank == 0 else { return false }
      let (output, journal) = (configuration.output.path, configuration.journal.path)
      try JobInputs.checkFolder(of: configuration.output)
      if configuration.resumes {
        let files = FileManager.default
        return files.fileExists(atPath: output) && !files.fileExists(atPath: journal)
      }
      try JobInputs.refuseExisting([(output, "the output"), (journal, "the journal of a run that was stopped")])
      return false
    }
    return try world.broadcast(world.rank == 0 ? [Int32(isFinished ? 1 : 0)] : nil)[0] == 1
  }

  /// The files in the folder of images as rank 0 sees them, for all.
  private func imageNames() throws -> [String] {
    let names = try world.broadcast(
      world.agree { () -> [UInt8]? in
        guard world.rank == 0 else { return nil }
        do {
          let names = try FileManager.default.contentsOfDirectory(atPath: configuration.images.path)
          return Array(names.joined(separator: "\0").utf8)
        } catch {
          throw JobError("\(configuration.images.path): is no folder that can be read; --images names one")
        }
      })
    return String(decoding: names, as: UTF8.self).split(separator: "\0").map(String.init)
  }

  /// - Throws: where the finished output has other entries than the run asked for makes.
  private func finishedSummary(_ plan: GenerationPlan) throws -> Summary {
    let ids = try ResultsFile.ids(in: configuration.output, kind: plan.kind)
    let asked = Set(plan.units.flatMap { $0.questions.map(\.id) })
    if let foreign = ids.first(where: { !asked.contains($0) }) {
      throw JobError(
        "\(configuration.output.path): is finished, and has \(what(plan)) \(foreign), which this run is not asked for; "
          + "choose another --output")
    }
    return Summary(
      output: configuration.output.path, answers: ids.count, skipped: asked.count - ids.count, seconds: 0,
      isNew: false)
  }

  private func identity(of model: any VisionLanguageModel, _ dataset: [UInt8]) throws -> RunIdentity {
    let decoding = configuration.decoding
    let adapter = try configuration.adapter.map { folder in
      try ["adapter_config.json", "adapter_model.safetensors"].map {
        try SHA256.hex(ofFile: folder.appendingPathComponent($0))
      }.joined(separator: " ")
    }
    return RunIdentity([
      ("program version", JobDefaults.programVersion), ("model type", type(of: model).modelType),
      ("model (SHA-256)", try SafetensorsCheckpoint(folder: configuration.model).headerDigest()),
      ("adapter (SHA-256)", adapter ?? "none"),
      ("dataset (SHA-256)", try dataset.withUnsafeBytes { try SHA256.hex(of: $0) }), ("--prompt", configuration.prompt),
      ("--precision", configuration.precision.rawValue), ("--limit", configuration.limit.map(String.init) ?? "none"),
      ("--max-new-tokens", "\(decoding.maxNewTokens)"), ("--temperature", "\(decoding.temperature)"),
      ("--top-p", "\(decoding.topP)"), ("--beams", "\(decoding.beams)"), ("--seed", "\(decoding.seed)"),
    ])
  }

  private func openJournal(_ identity: RunIdentity, visit: (UnitAnswers) -> Void) throws -> Journal {
    guard FileManager.default.fileExists(atPath: configuration.journal.path) else {
      return try Journal.create(at: configuration.journal, identity: identity)
    }
    return try Journal.resume(at: configuration.journal, identity: identity) { bytes in
      let result = try UnitAnswers(decoding: bytes)
      visit(result)
      return Int(result.imageID)
    }
  }
}

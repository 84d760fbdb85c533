import COCO
import IO
import Foundation
import Jobs
import Kernels
import LowRankAdaptation
import MessagePassing
import Safetensors
import Transformer
import VisionLanguage

/// The ablating job: images are shared out over the ranks, each is measured with all ablations, and rank 0 adds up.
public struct AblationJob {
  private let configuration: AblateConfiguration
  private let world: Communicator

  /// What a finished run reports.
  public struct Summary: Sendable {
    public let result: AblationResult
    public let output: URL
    /// False where the output was there already, finished by the run to resume.
    public let isNew: Bool
  }

  public init(_ configuration: AblateConfiguration, on world: Communicator) {
    self.configuration = configuration
    self.world = world
  }

  /// Runs the job. Every rank calls it at the same time.
  ///
  /// - Returns: on rank 0 what was done; nil elsewhere.
  /// - Throws: what is wrong with the inputs or went wrong on the way. Under MPI, let it leave
  ///   `Communicator.withWorld`, which stops every rank.
  public func run() throws -> Summary? {
    let isFinished = try world.agreeIsFinished(
      configuration.output, work: (configuration.journal, "the journal of a run that was stopped"),
      resumes: configuration.resumes,
      validate: configuration.validate)
    let json = try world.readForAll(configuration.dataset)
    let annotations = try configuration.annotations.map { (json: try world.readForAll($0), name: $0.path) }
    let files = try world.listForAll(configuration.images)
    let threads = try JobDefaults.threads(configuration.threads, on: world)
    let (model, dataset, identity) = try world.agree { () -> (any VisionLanguageModel, ImageTextDataset, RunIdentity) in
      let backend = try CPUBackend(precision: configuration.precision, team: ThreadTeam(count: threads))
      let model = try ModelRegistry.load(
        folder: configuration.model, chatTemplate: configuration.chatTemplate, backend: backend)
      try model.chat.requireEndOfTurn()
      if let folder = configuration.adapter {
        model.apply(try PEFTAdapter.load(folder: folder, for: model, allowsNoChange: true))
      }
      let dataset = try ImageTextDataset(
        json: json, name: configuration.dataset.path, annotations: annotations
      ) { files }
      return (model, dataset, try self.identity(of: model, [json, annotations?.json]))
    }
    try world.agree(on: identity)
    world.tell(model.remarks.general + model.chat.remarks(onAdapter: configuration.adapter))
    if isFinished { return try world.agree { world.rank == 0 ? try finishedSummary(identity) : nil } }
    try world.tell(
      dataset.warnings, of: configuration.dataset, refusal: dataset.problems.refusal, isStrict: configuration.isStrict)
    let units = AblationUnit.units(of: dataset, limit: configuration.limit)
    guard !units.isEmpty else { throw JobError("\(configuration.dataset.path): has no example to measure") }
    let last = configuration.limit.flatMap { _ in units.flatMap(\.examples).map(\.id).max() }
    return try measure(units, model: model, identity: identity, lost: dataset.problems.lost(upTo: last))
  }

  private func measure(
    _ units: [AblationUnit], model: any VisionLanguageModel, identity: RunIdentity, lost: [RecordProblem]
  ) throws -> Summary? {
    var done: [Int64: UnitLosses] = [:]
    let pictures = try Pictures(
      Set(units.flatMap(\.examples).map(\.fileName)), in: configuration.images, on: world)
    let journal = try world.agree {
      world.rank == 0 ? try openJournal(identity) { done[$0.imageID] = $0 } : nil
    }
    let begun = done.values.reduce(0) { $0 + $1.outcomes.count }
    let total = units.reduce(0) { $0 + $1.examples.count }
    let progress =
      world.rank == 0
      ? ProgressReporter(total: total, begun: begun, ranks: world.worldSize, isQuiet: configuration.isQuiet) : nil
    for note in journal?.notes ?? [] { progress?.warn(note) }
    if configuration.isStrict, let first = done.values.flatMap(\.skipped).min(by: { $0.id < $1.id }) {
      throw JobError(
        "example \(first.id) could not be used by the run to resume (--strict): \(first.skip?.text ?? "")\n"
          + "Resume without --strict, or mend it and remove \(configuration.journal.path) to start afresh")
    }
    if begun > 0 { progress?.note("resuming: \(begun) of \(total) samples are done") }

    let reader = DescriptionLossReader(model)
    let ablations = configuration.ablations.map { AblatedHeads($0.heads.map { ($0.layer, $0.head) }) }
    let count = ablations.count
    let sharing = WorkSharing(
      world,
      order: AblationUnit.order(of: units, dimensions: model.dimensions, layout: model.visualLayout)
        .filter { done[units[$0].imageID] == nil },
      onResult: { _, _, bytes in
        let result = try UnitLosses(decoding: bytes, ablations: count)
        try journal?.append(bytes, key: Int(result.imageID))
        done[result.imageID] = result
        for outcome in result.skipped {
          progress?.warn("example \(outcome.id) is skipped: \(outcome.skip?.text ?? "")")
        }
        progress?.advance(by: result.outcomes.count)
      })
    while let index = try sharing.next() {
      let result = try pictures.working {
        try units[index].measured(
          by: reader, model: model, ablations: ablations, pictures: pictures, prompt: configuration.prompt,
          poll: sharing.poll)
      }
      if configuration.isStrict, let outcome = result.skipped.first {
        throw JobError("example \(outcome.id) can't be used (--strict): \(outcome.skip?.text ?? "")")
      }
      try sharing.submit(result.encode(), for: index)
    }
    try sharing.finish()
    progress?.finish()
    guard world.rank == 0, let journal else { return nil }
    try journal.flush()
    return try write(units.compactMap { done[$0.imageID] }, journal: journal, identity: identity, lost: lost)
  }

  private func write(
    _ results: [UnitLosses], journal: Journal, identity: RunIdentity, lost: [RecordProblem]
  ) throws -> Summary {
    let result: AblationResult
    do {
      result = try AblationResult(results, configuration, run: identity, lost: lost)
    } catch {
      // Nothing in it is worth going on from, and it would bar the way of the next attempt.
      try journal.remove()
      throw error
    }
    let output = configuration.output
    try AtomicFile.write(Data((try result.json() + "\n").utf8), to: output)
    try journal.remove()
    return summary(result, isNew: true)
  }

  private func summary(_ result: AblationResult, isNew: Bool) -> Summary {
    if let report = result.skips.report(allowed: configuration.allowedSkips) {
      FileHandle.standardError.write(Data("headimpact: \(report)\n".utf8))
    }
    return Summary(result: result, output: configuration.output, isNew: isNew)
  }

  // MARK: - Before

  /// - Throws: where the finished output is of another run than the one asked for.
  private func finishedSummary(_ identity: RunIdentity) throws -> Summary {
    let result = try AblationResult(contentsOf: configuration.output)
    try result.run.requireSame(as: identity, finished: configuration.output)
    return summary(result, isNew: false)
  }

  /// - Throws: where the heads are not the model's.
  private func identity(of model: any VisionLanguageModel, _ files: [[UInt8]?]) throws -> RunIdentity {
    let c = configuration
    let sha256 = try SafetensorsCheckpoint(folder: c.model).headerDigest()
    try c.validateHeads(of: model, sha256: sha256)
    let digests = try files.map { try $0.map { try $0.withUnsafeBytes { try SHA256.hex(of: $0) } } ?? "none" }
    let heads = c.ablations.map { "\($0.name): \($0.heads.map(\.description).joined(separator: ","))" }
    return RunIdentity(
      try ModelFiles(folder: c.model, chatTemplate: c.chatTemplate).parts + [
        ("program version", JobDefaults.programVersion), ("model type", type(of: model).modelType),
        ("model (SHA-256)", sha256), ("adapter (SHA-256)", try c.adapter.map(PEFTAdapter.digest) ?? "none"),
        ("dataset (SHA-256)", digests[0]), ("annotations (SHA-256)", digests[1]), ("--prompt", c.prompt),
        ("--precision", c.precision.rawValue), ("--limit", c.limit.map(String.init) ?? "none"),
        ("heads taken out", heads.joined(separator: "; ")), ("--bootstrap", "\(c.bootstrapResamples)"),
        ("--seed", "\(c.seed)"),
      ])
  }

  private func openJournal(_ identity: RunIdentity, visit: (UnitLosses) -> Void) throws -> Journal {
    guard configuration.resumes else { return try Journal.create(at: configuration.journal, identity: identity) }
    return try Journal.resume(
      at: configuration.journal, identity: identity, salvages: configuration.salvages,
      decode: { bytes in
        let result = try UnitLosses(decoding: bytes, ablations: configuration.ablations.count)
        return (Int(result.imageID), result)
      }, visit: visit)
  }
}

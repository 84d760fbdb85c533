import COCO
import Foundation
import HeadImpact
import HDF5Store
import Jobs
import Kernels
import LowRankAdaptation
import MessagePassing
import Safetensors
import VisionLanguage

/// The scoring job: rank 0 reads the dataset and shares out its images; every rank runs the model over those it gets;
/// the sums are reduced, the samples' rows gathered, and rank 0 writes one HDF5 file.
public struct ScoringJob {
  /// k of `layer_top_frequency`: the paper tunes the three best layers.
  static let topLayers = 3

  private let configuration: ScoreConfiguration
  private let world: Communicator

  /// What a finished run reports.
  public struct Summary: Sendable {
    public let samples: Int
    public let skips: SkipCounts
    public let output: URL
    /// False where the output was there already, finished by the run to resume.
    public let isNew: Bool
  }

  public init(_ configuration: ScoreConfiguration, on world: Communicator) {
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
    if isFinished { return world.rank == 0 ? try finishedSummary() : nil }

    let datasetBytes = try world.readForAll(configuration.dataset)
    let team = ThreadTeam(count: try JobDefaults.threads(configuration.threads, on: world))
    let (model, dataset, identity) = try world.agree { () -> Inputs in
      let backend = try CPUBackend(precision: configuration.precision, team: team)
      let model = try ModelRegistry.load(
        folder: configuration.model, chatTemplate: configuration.chatTemplate, backend: backend)
      if let folder = configuration.adapter {
        // One that changes nothing yet has a Head Impact too: the model's own.
        model.apply(try PEFTAdapter.load(folder: folder, for: model, allowsNoChange: true))
      }
      try configuration.options.views.check(model)
      let dataset = try KeyObjectDataset(json: Data(datasetBytes), name: configuration.dataset.path)
      return (model, dataset, try self.identity(of: model, datasetBytes))
    }
    try world.agree(on: identity.run)
    world.tell(model.remarks.general + model.chat.remarks(onAdapter: configuration.adapter))
    let plan = ScoringPlan(
      dataset, limit: configuration.limit, prompt: configuration.prompt, dimensions: model.dimensions,
      layout: model.visualLayout)
    let planned = plan.units.flatMap(\.annotations)
    try world.tell(
      dataset.problems.warnings()
        + [dataset.outlineProblems(of: planned).lostParts(of: planned.count)].compactMap { $0 },
      of: configuration.dataset,
      refusal: configuration.isStrict ? dataset.sampleProblems(of: planned).refusal : nil,
      isStrict: configuration.isStrict)
    guard plan.samples > 0 else {
      throw JobError("\(configuration.dataset.path): has no annotation to score")
    }
    if world.rank == 0, configuration.precision == .bf16, !CPUBackend.hasBFloat16Instructions,
      !configuration.isQuiet
    {
      warn("this processor has no bf16 instructions: --precision bf16 works, at the speed of f32")
    }
    return try score(plan, model: model, dataset: dataset, identity: identity, team: team)
  }

  private typealias Inputs = (any VisionLanguageModel, KeyObjectDataset, ScoreIdentity)

  // MARK: - The run

  private func score(
    _ plan: ScoringPlan, model: any VisionLanguageModel, dataset: KeyObjectDataset, identity: ScoreIdentity,
    team: ThreadTeam
  ) throws -> Summary? {
    let layers = model.decoder.layers.count
    var sums = HeadImpactAccumulator(layers: layers, heads: model.numAttentionHeads)
    var log = SampleLog()
    let pictures = try Pictures(Set(plan.units.map(\.image.fileName)), in: configuration.images, on: world)
    let journal = try world.agree {
      guard world.rank == 0 else { return nil as Journal? }
      return try openJournal(identity) { result in try log.add(result, to: &sums) }
    }
    let progress =
      world.rank == 0
      ? ProgressReporter(
        total: plan.samples, begun: log.count, ranks: world.worldSize, isQuiet: configuration.isQuiet) : nil
    for note in journal?.notes ?? [] { progress?.warn(note) }
    if configuration.isStrict, let sample = log.skipped.min(by: { $0.id < $1.id }) {
      throw JobError(
        "annotation \(sample.id) could not be used by the run to resume (--strict): \(sample.reason.text)\n"
          + "Resume without --strict, or mend it and remove \(configuration.journal.path) to start afresh")
    }
    if log.count > 0 { progress?.note("resuming: \(log.count) of \(plan.samples) samples are done") }

    let start = Date()
    let scorer = UnitScorer(model: model, dataset: dataset, pictures: pictures, configuration: configuration)
    let rank = world.rank
    let isStrict = configuration.isStrict
    let sharing = WorkSharing(
      world, order: plan.order.filter { journal?.records[Int(plan.units[$0].image.id)] == nil },
      onResult: { _, _, bytes in
        let result = try UnitResult(decoding: bytes)
        try journal?.append(bytes, key: result.imageID)
        // Other ranks have summed their own samples; here they are only noted.
        let skipped = log.note(result)
        for sample in skipped { progress?.warn("annotation \(sample.id) is skipped: \(sample.reason.text)") }
        progress?.advance(by: result.outcomes.count)
      })
    while let unit = try sharing.next() {
      let result = try pictures.working { try scorer.score(plan.units[unit], poll: sharing.poll) }
      for outcome in result.outcomes {
        switch outcome.kind {
        case .scored(let impact, _): try sums.add(impact)
        case .skipped(let reason) where isStrict:
          throw JobError("annotation \(outcome.annotationID) can't be used (--strict): \(reason.text)")
        case .skipped: break
        }
      }
      try sharing.submit(result.encode(), for: unit)
    }
    try sharing.finish()
    let seconds = Date().timeIntervalSince(start)

    let limbs = try world.reduce(sums.limbs, .sum, to: 0)
    let turned = try world.reduce([Int64(scorer.turned.count)], .sum, to: 0)?.first ?? 0
    if let warning = TurnedPictures.warning(count: Int(turned)) { progress?.warn("warning: \(warning)") }
    try world.agree { try journal?.flush() }
    progress?.finish()
    let intervals = try bootstrap(log, journal: journal, model: model, team: team)
    guard rank == 0, let limbs, let journal else { return nil }
    let total = try HeadImpactAccumulator(layers: layers, heads: model.numAttentionHeads, limbs: limbs)
    // An annotation that is left out has been skipped too; the id -1 stands for none.
    let last = configuration.limit.flatMap { _ in plan.units.flatMap(\.annotations).map(\.id).max() }
    let lost = dataset.problems.lost(upTo: last).map {
      (id: Int($0.id ?? -1), reason: SkipReason(.record, "\($0.place): \($0.problem)"))
    }
    return try write(
      total, intervals, log: log, lost: lost, journal: journal, identity: identity, seconds: seconds)
  }

  /// The intervals, by all ranks together, from rank 0's journal: there on rank 0 where any sample was scored.
  private func bootstrap(
    _ log: SampleLog, journal: Journal?, model: any VisionLanguageModel, team: ThreadTeam
  ) throws -> BootstrapIntervals? {
    let ids = Set(log.imageOfSample.values).sorted()
    let images = Int(try world.broadcast(world.rank == 0 ? [Int64(ids.count)] : nil)[0])
    guard images > 0 else { return nil }
    return try world.bootstrap(
      images: images, layers: model.decoder.layers.count, heads: model.numAttentionHeads, topLayers: Self.topLayers,
      options: configuration.options, team: team
    ) { index in
      guard let journal else { throw JobError("only rank 0 has the journal") }
      return try ImageSums(samples: UnitResult(decoding: journal.record(of: ids[index])).impacts)
    }
  }

  /// Which samples were scored, in which image's record, and which were not and why.
  private struct SampleLog {
    private(set) var imageOfSample: [Int: Int] = [:]
    private(set) var skipped: [(id: Int, reason: SkipReason)] = []

    var count: Int { imageOfSample.count + skipped.count }

    /// - Returns: what was skipped in this result.
    mutating func note(_ result: UnitResult) -> [(id: Int, reason: SkipReason)] {
      var fresh: [(id: Int, reason: SkipReason)] = []
      for outcome in result.outcomes {
        switch outcome.kind {
        case .scored: imageOfSample[outcome.annotationID] = result.imageID
        case .skipped(let reason): fresh.append((outcome.annotationID, reason))
        }
      }
      skipped += fresh
      return fresh
    }

    mutating func add(_ result: UnitResult, to sums: inout HeadImpactAccumulator) throws {
      _ = note(result)
      for case .scored(let impact, _) in result.outcomes.map(\.kind) { try sums.add(impact) }
    }
  }

  private func write(
    _ sums: HeadImpactAccumulator, _ intervals: BootstrapIntervals?, log: SampleLog,
    lost: [(id: Int, reason: SkipReason)], journal: Journal,
    identity: ScoreIdentity, seconds: Double
  ) throws -> Summary {
    let skipped = (log.skipped + lost).sorted { $0.id < $1.id }
    let samples = log.imageOfSample.keys.sorted()
    guard let intervals else {
      // Nothing in it is worth going on from, and it would bar the way of the next attempt.
      try journal.remove()
      let reasons = skipped.prefix(5).map { "\n  annotation \($0.id): \($0.reason.text)" }.joined()
      throw JobError("no sample could be used, so there is no Head Impact:\(reasons)")
    }
    // Samples of one image mostly follow one another, so its record is read once.
    var held: UnitResult?
    try HeadImpactFile.write(
      to: configuration.output, table: sums.table(), intervals: intervals, samples: samples,
      row: { id in
        let imageID = log.imageOfSample[id] ?? 0
        let result: UnitResult
        if let held, held.imageID == imageID {
          result = held
        } else {
          result = try UnitResult(decoding: journal.record(of: imageID))
        }
        held = result
        for outcome in result.outcomes where outcome.annotationID == id {
          if case .scored(let impact, let scores) = outcome.kind {
            return HeadImpactFile.Row(impact: impact, scores: scores)
          }
        }
        throw JobError("\(journal.url.path): has no sample \(id)")
      },
      skipped: skipped.map { HeadImpactFile.Skipped(id: $0.id, kind: $0.reason.kind.rawValue, reason: $0.reason.text) },
      provenance: HeadImpactFile.Provenance(
        identity: identity, modelName: configuration.model.standardizedFileURL.lastPathComponent,
        adapterName: configuration.adapter?.standardizedFileURL.lastPathComponent,
        ranks: world.worldSize, secondsScoring: seconds),
      // A kill just before the journal's removal leaves the output beside it.
      replacing: configuration.resumes)
    try journal.remove()
    let skips = SkipCounts(samples: samples.count + skipped.count, skipped: skipped.map(\.reason.kind))
    if let report = skips.report(allowed: configuration.allowedSkips) { warn(report) }
    return Summary(samples: samples.count, skips: skips, output: configuration.output, isNew: true)
  }

  // MARK: - Before the run

  /// - Throws: where the finished output is of another run than the one asked for.
  private func finishedSummary() throws -> Summary {
    let contents = try HeadImpactFile.read(configuration.output)
    let (begun, kinds) = try HeadImpactFile.origin(of: configuration.output)
    let asked = ScoreIdentity(
      programVersion: begun.programVersion, modelType: begun.modelType,
      modelSHA256: try SafetensorsCheckpoint(folder: configuration.model).headerDigest(),
      adapterSHA256: try configuration.adapter.map(PEFTAdapter.digest),
      modelFiles: try ModelFiles(folder: configuration.model, chatTemplate: configuration.chatTemplate),
      datasetSHA256: try JobInputs.read(configuration.dataset).withUnsafeBytes { try SHA256.hex(of: $0) },
      configuration: configuration)
    try begun.run.requireSame(as: asked.run, finished: configuration.output)
    // A file of before kinds were told has none.
    let skips = SkipCounts(
      samples: contents.table.samples + kinds.count, skipped: kinds.map { SkipKind(rawValue: $0) ?? .record })
    if let report = skips.report(allowed: configuration.allowedSkips) { warn(report) }
    return Summary(samples: contents.table.samples, skips: skips, output: configuration.output, isNew: false)
  }

  private func identity(of model: any VisionLanguageModel, _ datasetBytes: [UInt8]) throws -> ScoreIdentity {
    ScoreIdentity(
      programVersion: JobDefaults.programVersion, modelType: type(of: model).modelType,
      modelSHA256: try SafetensorsCheckpoint(folder: configuration.model).headerDigest(),
      adapterSHA256: try configuration.adapter.map(PEFTAdapter.digest),
      modelFiles: try ModelFiles(folder: configuration.model, chatTemplate: configuration.chatTemplate),
      datasetSHA256: try datasetBytes.withUnsafeBytes { try SHA256.hex(of: $0) }, configuration: configuration)
  }

  private func openJournal(_ identity: ScoreIdentity, visit: (UnitResult) throws -> Void) throws -> Journal {
    guard configuration.resumes else {
      return try Journal.create(at: configuration.journal, identity: identity.run)
    }
    return try Journal.resume(
      at: configuration.journal, identity: identity.run, salvages: configuration.salvages,
      decode: { bytes in
        let result = try UnitResult(decoding: bytes)
        return (result.imageID, result)
      }, visit: visit)
  }

  private func warn(_ text: String) {
    FileHandle.standardError.write(Data("headimpact: \(text)\n".utf8))
  }
}

extension UnitResult {
  /// The samples that were scored.
  var impacts: [SampleImpact] {
    outcomes.compactMap { if case .scored(let impact, _) = $0.kind { impact } else { nil } }
  }
}

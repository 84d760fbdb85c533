import COCO
import IO
import Foundation
import ImageInput
import Jobs
import Kernels
import LowRankAdaptation
import MessagePassing
import Safetensors
import VisionLanguage

/// The generating job: images are shared out over the ranks, and rank 0 writes what was said of them in the dataset's order.
public struct GenerationJob {
  private let configuration: GenerateConfiguration
  private let world: Communicator

  /// What a finished run reports.
  public struct Summary: Sendable, Encodable {
    public let output: String
    public let results: Int
    public let skipped: Int
    public let skips: SkipCounts
    /// A few of the texts.
    public let examples: [String]
    /// False where the output was there already, finished by the run to resume.
    public let isNew: Bool
  }

  public init(_ configuration: GenerateConfiguration, on world: Communicator) {
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
      resumes: configuration.resumes, validate: configuration.validate)
    let json = try world.readForAll(configuration.dataset)
    let files = try world.listForAll(configuration.images)
    let threads = try JobDefaults.threads(configuration.threads, on: world)
    let (model, dataset, identity) = try world.agree { () -> (any VisionLanguageModel, ImageTextDataset, RunIdentity) in
      let backend = try CPUBackend(precision: configuration.precision, team: ThreadTeam(count: threads))
      let model = try ModelRegistry.load(
        folder: configuration.model, chatTemplate: configuration.chatTemplate, backend: backend)
      if let folder = configuration.adapter {
        model.apply(try PEFTAdapter.load(folder: folder, for: model))
      }
      let name = configuration.dataset.path
      let texts = try ImageTextDataset(json: json, name: name) { files }
      let dataset = configuration.objects == nil ? texts : try texts.ofObjects(named: name)
      return (model, dataset, try self.identity(of: model, json))
    }
    try world.agree(on: identity)
    world.tell(model.remarks.general + model.chat.remarks(onAdapter: configuration.adapter) + model.remarks.generating)
    let units = GenerationUnit.units(of: dataset, limit: configuration.limit)
    guard !units.isEmpty else { throw JobError("\(configuration.dataset.path): has no image to describe") }
    if isFinished {
      return try world.agree { world.rank == 0 ? try finishedSummary(identity, kind: dataset.kind) : nil }
    }
    try world.tell(
      dataset.warnings, of: configuration.dataset, refusal: dataset.problems.refusal, isStrict: configuration.isStrict)
    let lost = dataset.problems.lostSamples(
      upTo: configuration.limit.flatMap { _ in units.flatMap(\.examples).map(\.id).max() })
    return try generate(
      units, kind: dataset.kind, view: try world.agree { try view(json, model) }, model: model, identity: identity,
      lost: lost)
  }

  private func generate(
    _ units: [GenerationUnit], kind: ImageTextDataset.Kind, view: ((ImageTextExample, RGBImage) throws -> RGBImage)?,
    model: any VisionLanguageModel, identity: RunIdentity, lost: Int
  ) throws -> Summary? {
    var done: [Int64: GenerationResult] = [:]
    let pictures = try Pictures(
      Set(units.flatMap(\.examples).map(\.fileName)), in: configuration.images, on: world)
    let journal = try world.agree {
      world.rank == 0 ? try openJournal(identity) { done[$0.imageID] = $0 } : nil
    }
    let total = units.reduce(0) { $0 + $1.examples.count }
    let begun = done.values.reduce(0) { $0 + $1.outcomes.count }
    let progress =
      world.rank == 0
      ? ProgressReporter(total: total, begun: begun, ranks: world.worldSize, isQuiet: configuration.isQuiet) : nil
    for note in journal?.notes ?? [] { progress?.warn(note) }
    if configuration.isStrict, let first = done.values.flatMap(\.skipped).min(by: { $0.id < $1.id }) {
      throw JobError(
        "sample \(first.id) could not be used by the run to resume (--strict): \(first.skip?.text ?? "")\n"
          + "Resume without --strict, or mend it and remove \(configuration.journal.path) to start afresh")
    }
    if begun > 0 { progress?.note("resuming: \(begun) of \(total) samples are done") }
    let generator = TextGenerator(model, options: configuration.decoding)
    let isStrict = configuration.isStrict
    let sharing = WorkSharing(
      world,
      order: GenerationUnit.order(
        of: units, maxNewTokens: configuration.decoding.maxNewTokens, dimensions: model.dimensions,
        layout: model.visualLayout
      ).filter { done[units[$0].imageID] == nil },
      onResult: { _, _, bytes in
        let result = try GenerationResult(decoding: bytes)
        try journal?.append(bytes, key: Int(result.imageID))
        done[result.imageID] = result
        for outcome in result.skipped {
          progress?.warn("sample \(outcome.id) is skipped: \(outcome.skip?.text ?? "")")
        }
        progress?.advance(by: result.outcomes.count)
      })
    while let index = try sharing.next() {
      let result = try pictures.working {
        try units[index].answered(
          by: generator, pictures: pictures, prompt: configuration.prompt, view: view, poll: sharing.poll)
      }
      if isStrict, let outcome = result.skipped.first {
        throw JobError("sample \(outcome.id) can't be used (--strict): \(outcome.skip?.text ?? "")")
      }
      try sharing.submit(result.encode(), for: index)
    }
    try sharing.finish()
    progress?.finish()
    guard world.rank == 0, let journal else { return nil }
    try journal.flush()
    return try write(units, done, kind: kind, journal: journal, identity: identity, lost: lost)
  }

  private func write(
    _ units: [GenerationUnit], _ done: [Int64: GenerationResult], kind: ImageTextDataset.Kind, journal: Journal,
    identity: RunIdentity, lost: Int
  ) throws -> Summary {
    var skipped: [SkipKind] = []
    var entries: [GeneratedTexts.Entry] = []
    for unit in units {
      for outcome in done[unit.imageID]?.outcomes ?? [] {
        guard let text = outcome.text else {
          skipped.append(outcome.skip?.kind ?? .record)
          continue
        }
        entries.append(GeneratedTexts.Entry(id: kind == .captions ? unit.imageID : outcome.id, text: text))
      }
    }
    if kind != .captions { entries.sort { $0.id < $1.id } }
    guard !entries.isEmpty else {
      // Nothing in it is worth going on from, and it would bar the way of the next attempt.
      try journal.remove()
      let reasons = done.values.flatMap(\.outcomes).prefix(5).map { "\n  sample \($0.id): \($0.skip?.text ?? "")" }
        .joined()
      throw JobError("no sample could be used, so there is no text:\(reasons)")
    }
    let skips = SkipCounts(samples: entries.count + skipped.count + lost, skipped: skipped, records: lost)
    let bytes = try ResultsFile.bytes(of: entries, kind: kind)
    // First what says which run the output is of: killed in between, the run has no output yet.
    try RunFile(identity, output: bytes, skips: skips).write(beside: configuration.output)
    try AtomicFile.write(bytes, to: configuration.output)
    try journal.remove()
    return summary(entries, skips, isNew: true)
  }

  private func summary(_ entries: [GeneratedTexts.Entry], _ skips: SkipCounts, isNew: Bool) -> Summary {
    if let report = skips.report(allowed: configuration.allowedSkips) {
      FileHandle.standardError.write(Data("headimpact: \(report)\n".utf8))
    }
    return Summary(
      output: configuration.output.path, results: entries.count, skipped: skips.skipped, skips: skips,
      examples: entries.prefix(3).map(\.text), isNew: isNew)
  }

  // MARK: - Before

  /// - Throws: where the finished output is of another run than the one asked for.
  private func finishedSummary(_ identity: RunIdentity, kind: ImageTextDataset.Kind) throws -> Summary {
    let skips = try RunFile.check(configuration.output, isOf: identity)
    return summary(try ResultsFile.read(configuration.output, kind: kind), skips, isNew: false)
  }

  /// What the model is shown of an image for one example, where each object is asked about by itself.
  private func view(
    _ json: [UInt8], _ model: any VisionLanguageModel
  ) throws -> ((ImageTextExample, RGBImage) throws -> RGBImage)? {
    guard let objects = configuration.objects else { return nil }
    let dataset = try KeyObjectDataset(json: json, name: configuration.dataset.path)
    let annotations = Dictionary(dataset.annotations.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    let leastSide = model.processor.leastSide
    return { example, image in
      guard let annotation = annotations[example.id] else { throw SampleFault("there is no annotation \(example.id)") }
      return try objects.picture(
        of: image, mask: try dataset.mask(for: annotation, height: image.height, width: image.width),
        leastSide: leastSide)
    }
  }

  private func identity(of model: any VisionLanguageModel, _ json: [UInt8]) throws -> RunIdentity {
    let c = configuration
    let adapter = try c.adapter.map(PEFTAdapter.digest)
    let files = try ModelFiles(folder: c.model, chatTemplate: c.chatTemplate, generates: true).parts
    let penalty = c.decoding.repetitionPenalty ?? model.generation.repetitionPenalty
    return RunIdentity(
      files + [
        ("program version", JobDefaults.programVersion), ("model type", type(of: model).modelType),
        ("model (SHA-256)", try SafetensorsCheckpoint(folder: c.model).headerDigest()),
        ("adapter (SHA-256)", adapter ?? "none"),
        ("dataset (SHA-256)", try json.withUnsafeBytes { try SHA256.hex(of: $0) }), ("--prompt", c.prompt),
        ("--objects", c.objects?.rawValue ?? "none"), ("--precision", c.precision.rawValue),
        ("--limit", c.limit.map(String.init) ?? "none"),
        ("--max-new-tokens", "\(c.decoding.maxNewTokens)"), ("--temperature", "\(c.decoding.temperature)"),
        ("--top-p", "\(c.decoding.topP)"), ("--beams", "\(c.decoding.beams)"),
        ("--repetition-penalty", "\(penalty)"), ("--seed", "\(c.decoding.seed)"),
      ])
  }

  private func openJournal(_ identity: RunIdentity, visit: (GenerationResult) -> Void) throws -> Journal {
    guard configuration.resumes else { return try Journal.create(at: configuration.journal, identity: identity) }
    return try Journal.resume(
      at: configuration.journal, identity: identity, salvages: configuration.salvages,
      decode: { bytes in
        let result = try GenerationResult(decoding: bytes)
        return (Int(result.imageID), result)
      }, visit: visit)
  }
}

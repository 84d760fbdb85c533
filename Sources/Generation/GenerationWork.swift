import COCO
import Decoding
import Foundation
import IO
import ImageInput
import Jobs
import MessagePassing
import RunSupport
import VisionLanguage

/// What of a unit job is generating: an image is a unit, and its result the texts.
struct GenerationWork: UnitJob {
  static let words = UnitJobWords(
    sample: "sample", noUnit: "has no image to describe", noResult: "no sample could be used, so there is no text")

  let identity: RunIdentity
  let remarks: [String]
  let watched: WatchedFiles
  let warnings: [String]
  let refusal: String?
  let units: [GenerationUnit]
  let costs: [Double]

  private let configuration: GenerateConfiguration
  /// On rank 0; nil elsewhere.
  private let kind: ImageTextDataset.Kind?
  private let generator: TextGenerator
  /// What the model is shown of an image for one example, where each object is asked about by itself.
  private let view: ((ImageTextExample, ImageObjects?, RGBImage) throws -> RGBImage)?
  /// How many samples the dataset's reader left out.
  private let lostSamples: Int

  init(_ c: GenerateConfiguration, _ opened: JobModel, _ texts: SharedTexts) throws {
    let dataset = c.objects == nil ? texts.dataset : try texts.dataset?.ofObjects(named: c.dataset.path)
    let model = opened.model
    identity = Self.identity(c, opened, texts)
    watched = opened.watched
    remarks = opened.remarks(onAdapter: c.adapter) + model.remarks.generating
    warnings = dataset?.warnings ?? []
    refusal = dataset?.problems.refusal
    units = dataset.map { GenerationUnit.units(of: $0, objects: texts.objects, limit: c.limit) } ?? []
    var costs = UnitCosts(model)
    self.costs = units.map { $0.cost(maxNewTokens: c.decoding.maxNewTokens, &costs) }
    configuration = c
    kind = dataset?.kind
    generator = TextGenerator(model, options: c.decoding)
    view = c.objects.map { Self.view(of: $0, leastSide: model.processor.leastSide) }
    let last = c.limit.flatMap { [units] _ in units.flatMap(\.examples).map(\.id).max() }
    lostSamples = dataset?.problems.lostSamples(upTo: last) ?? 0
  }

  private static func identity(
    _ c: GenerateConfiguration, _ opened: JobModel, _ texts: SharedTexts
  ) -> RunIdentity {
    let penalty = c.decoding.repetitionPenalty ?? opened.model.generation.repetitionPenalty
    return RunIdentity(
      opened.identityParts + texts.digests.prefix(1) + [
        ("--prompt", c.prompt),
        ("--objects", c.objects?.rawValue ?? "none"), ("--precision", c.precision.rawValue),
        ("--limit", c.limit.map(String.init) ?? "none"),
        ("--max-new-tokens", "\(c.decoding.maxNewTokens)"), ("--temperature", "\(c.decoding.temperature)"),
        ("--top-p", "\(c.decoding.topP)"), ("--beams", "\(c.decoding.beams)"),
        ("--repetition-penalty", "\(penalty)"), ("--seed", "\(c.decoding.seed)"),
      ])
  }

  private static func view(
    of objects: ObjectView, leastSide: Int
  ) -> (ImageTextExample, ImageObjects?, RGBImage) throws -> RGBImage {
    { example, annotated, image in
      guard let annotated, let annotation = annotated.annotations.first(where: { $0.id == example.id }) else {
        throw SampleFault("there is no annotation \(example.id)")
      }
      return try objects.picture(
        of: image, mask: try annotated.mask(for: annotation, height: image.height, width: image.width),
        leastSide: leastSide)
    }
  }

  func faults(of unit: GenerationUnit, in pictures: Pictures) throws -> [SkippedSample] {
    try questions(about: unit, in: pictures).skipped
  }

  private func questions(about unit: GenerationUnit, in pictures: Pictures) throws -> GenerationUnit.Questions {
    try unit.questions(for: generator, pictures: pictures, prompt: configuration.prompt, view: view)
  }

  var imageProcessor: (any ImageProcessor)? { view == nil ? generator.imageProcessor : nil }

  var unitsAtATime: Int { configuration.decoding.batch }

  /// The answers about several images grow together; an image whose answers are there makes room for the next.
  func compute(_ source: UnitSource<GenerationWork>, in pictures: Pictures) throws {
    let batch = UnitBatch(generator.batch())
    while true {
      while batch.wantsMore, let unit = try source.next() {
        if let result = batch.begin(unit, asking: try questions(about: unit, in: pictures)) {
          try source.submit(result)
        }
      }
      if batch.isEmpty { return }
      for result in try batch.step(poll: source.poll) { try source.submit(result) }
    }
  }

  func compute(
    _ unit: GenerationUnit, in pictures: Pictures, poll: @escaping () throws -> Void
  ) throws -> GenerationResult {
    let batch = UnitBatch(generator.batch())
    if let result = batch.begin(unit, asking: try questions(about: unit, in: pictures)) { return result }
    while true {
      if let result = try batch.step(poll: poll).first { return result }
    }
  }

  func decode(_ bytes: [UInt8]) throws -> GenerationResult { try GenerationResult(decoding: bytes) }

  func finish(_ work: FinishedWork<GenerationResult>?, on world: Communicator) throws -> GenerationJob.Summary? {
    try world.agree { try work.map { try write($0) } }
  }

  private func write(_ work: FinishedWork<GenerationResult>) throws -> GenerationJob.Summary {
    let kind = try requireKind()
    var entries: [GeneratedTexts.Entry] = []
    for unit in units {
      for outcome in try work.result(of: unit.key).outcomes {
        guard let text = outcome.found else { continue }
        entries.append(GeneratedTexts.Entry(id: kind == .captions ? unit.imageID : outcome.id, text: text))
      }
    }
    if kind != .captions { entries.sort { $0.id < $1.id } }
    let skips = SkipCounts(
      samples: entries.count + work.skipped.count + lostSamples, skipped: work.skipped.map(\.reason.kind),
      records: lostSamples)
    let bytes = try ResultsFile.bytes(of: entries, kind: kind)
    try work.requireOutput()
    // First what says which run the output is of: killed in between, the run has no output yet.
    try RunFile(identity, output: bytes, skips: skips).write(beside: configuration.output)
    try AtomicFile.write(bytes, to: configuration.output)
    return summary(entries, skips, isNew: true)
  }

  func finishedSummary() throws -> GenerationJob.Summary {
    let skips = try RunFile.check(configuration.output, isOf: identity)
    return summary(try ResultsFile.read(configuration.output, kind: requireKind()), skips, isNew: false)
  }

  /// - Throws: elsewhere than on rank 0, which alone has read the dataset.
  private func requireKind() throws -> ImageTextDataset.Kind {
    guard let kind else { throw JobError("only rank 0 has the dataset") }
    return kind
  }

  private func summary(
    _ entries: [GeneratedTexts.Entry], _ skips: SkipCounts, isNew: Bool
  ) -> GenerationJob.Summary {
    GenerationJob.Summary(
      output: configuration.output.path, results: entries.count, skipped: skips.skipped, skips: skips,
      examples: entries.prefix(3).map(\.text), isNew: isNew, passes: isNew ? generator.times.summary : nil)
  }
}

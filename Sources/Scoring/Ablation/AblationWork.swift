import COCO
import Decoding
import Foundation
import IO
import Jobs
import MessagePassing
import RunSupport
import Transformer
import VisionLanguage

/// What of a unit job is ablating: an image is a unit, and its result the losses of its texts.
struct AblationWork: UnitJob {
  static let words = UnitJobWords(
    sample: "example", noUnit: "has no example to measure",
    noResult: "no example could be used, so there is no loss")

  let identity: RunIdentity
  let remarks: [String]
  let watched: WatchedFiles
  let warnings: [String]
  let refusal: String?
  let lost: [SkippedSample]
  let units: [AblationUnit]
  let costs: [Double]

  var imageProcessor: (any ImageProcessor)? { model.processor }

  private let configuration: AblateConfiguration
  private let model: any VisionLanguageModel
  private let reader: DescriptionLossReader
  /// nil where no answers are wanted.
  private let generator: TextGenerator?
  private let answers: AblationAnswers?
  /// What answers are compared with. On rank 0; nil elsewhere, and where no answers are wanted.
  private let references: AblationReferences?
  private var ablations: [AblatedHeads]

  /// - Throws: what is wrong with the dataset, and where the heads are not the model's or an outcome not the dataset's.
  init(_ c: AblateConfiguration, _ opened: JobModel, _ texts: SharedTexts) throws {
    model = opened.model
    try model.chat.requireEndOfTurn()
    try c.validateHeads(of: model, sha256: opened.sha256)
    let heads = c.ablations.map { "\($0.name): \($0.heads.map(\.description).joined(separator: ","))" }
    identity = RunIdentity(
      opened.identityParts + texts.digests + [
        ("--prompt", c.prompt), ("--precision", c.precision.rawValue), ("--limit", c.limit.map(String.init) ?? "none"),
        ("ablated heads", heads.joined(separator: "; ")), ("--bootstrap", "\(c.bootstrapResamples)"),
        ("--seed", "\(c.seed)"), ("--ablation", c.kind.rawValue),
        ("--reference-images", c.kind == .mean ? "\(c.referenceImages)" : "none"),
        ("--outcome", AblationOutcome.allCases.filter(c.measured).map(\.rawValue).joined(separator: ",")),
        ("--max-new-tokens", c.generates ? "\(c.decoding.maxNewTokens)" : "none"),
      ])
    watched = opened.watched
    remarks = opened.remarks(onAdapter: c.adapter)
    let dataset = texts.dataset
    warnings = dataset?.warnings ?? []
    refusal = dataset?.problems.refusal
    units = dataset.map { AblationUnit.units(of: $0, limit: c.limit) } ?? []
    let last = c.limit.flatMap { [units] _ in units.flatMap(\.examples).map(\.id).max() }
    lost = dataset?.problems.lost(upTo: last).map(SkippedSample.init) ?? []
    var costs = UnitCosts(model)
    self.costs = units.map { $0.cost(&costs) }
    configuration = c
    reader = DescriptionLossReader(model)
    generator = c.generates ? TextGenerator(model, options: c.decoding) : nil
    answers = generator.map { [model] in AblationAnswers(model, $0) }
    references = try c.generates ? dataset.map { try AblationReferences(c, $0) } : nil
    ablations = c.ablations.map {
      AblatedHeads($0.heads.map { ($0.layer, $0.head) }, replacement: c.kind == .knockout ? .knockout : .zero)
    }
  }

  /// For an ablation by the mean finds what the heads give on the average.
  ///
  /// - Throws: errors of the environment; `JobError` if no image of the reference set can be used.
  mutating func prepare(on world: Communicator) throws {
    guard configuration.kind == .mean else { return }
    let layers = Set(configuration.ablations.flatMap(\.heads).map(\.layer))
    let pass = MeanPass(
      reader: reader, model: model, layers: layers, prompt: configuration.prompt, images: configuration.images)
    let means = try pass.run(over: Array(units.prefix(configuration.referenceImages)), on: world)
    ablations = configuration.ablations.map {
      AblatedHeads($0.heads.map { ($0.layer, $0.head) }, replacement: .mean(means))
    }
  }

  func faults(of unit: AblationUnit, in pictures: Pictures) throws -> [SkippedSample] {
    try unit.texts(for: model, pictures: pictures, prompt: configuration.prompt).skipped
  }

  /// Where answers are wanted, those about several images grow together.
  var unitsAtATime: Int { answers == nil ? 1 : configuration.decoding.batch }

  func compute(_ source: UnitSource<AblationWork>, in pictures: Pictures) throws {
    while true {
      var measured: [AblationUnit.Measured] = []
      while let unit = try source.next() { measured.append(try measure(unit, in: pictures, poll: source.poll)) }
      if measured.isEmpty { return }
      for result in try results(measured, poll: source.poll) { try source.submit(result) }
    }
  }

  func compute(_ unit: AblationUnit, in pictures: Pictures, poll: @escaping () throws -> Void) throws -> UnitLosses {
    try results([measure(unit, in: pictures, poll: poll)], poll: poll)[0]
  }

  private func measure(
    _ unit: AblationUnit, in pictures: Pictures, poll: @escaping () throws -> Void
  ) throws -> AblationUnit.Measured {
    try unit.measured(
      by: reader, generator: generator, model: model, ablations: ablations, pictures: pictures,
      prompt: configuration.prompt, poll: poll)
  }

  private func results(
    _ measured: [AblationUnit.Measured], poll: @escaping () throws -> Void
  ) throws -> [UnitLosses] {
    let asking = measured.indices.filter { measured[$0].asked != nil }
    var found: [Int: Result<[UnitLosses.Answer], AblationAnswers.Fault>] = [:]
    if let answers {
      let all = try answers.answers(to: asking.compactMap { measured[$0].asked }, ablations: ablations, poll: poll)
      for (index, one) in zip(asking, all) { found[index] = one }
    }
    return measured.enumerated().map { $1.result(found[$0]) }
  }

  func decode(_ bytes: [UInt8]) throws -> UnitLosses { try UnitLosses(decoding: bytes, ablations: ablations.count) }

  func finish(_ work: FinishedWork<UnitLosses>?, on world: Communicator) throws -> AblationJob.Summary? {
    try world.agree {
      guard let work else { return nil }
      let result = try AblationResult(
        units.map { try work.result(of: $0.key) }, configuration, references: references, run: identity,
        skipped: work.skipped)
      try work.requireOutput()
      try AtomicFile.write(Data((try result.json() + "\n").utf8), to: configuration.output)
      return AblationJob.Summary(result: result, output: configuration.output, isNew: true)
    }
  }

  func finishedSummary() throws -> AblationJob.Summary {
    let result = try AblationResult(contentsOf: configuration.output)
    try result.run.requireSame(as: identity, finished: configuration.output)
    return AblationJob.Summary(result: result, output: configuration.output, isNew: false)
  }
}

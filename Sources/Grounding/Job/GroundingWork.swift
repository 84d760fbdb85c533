import COCO
import Foundation
import HeadImpact
import IO
import Jobs
import MessagePassing
import RunSupport
import VisionLanguage

/// What of a unit job is grounding: an image is a unit, and its result the places of its expressions.
struct GroundingWork: UnitJob {
  static let words = UnitJobWords(
    sample: "expression", noUnit: "has no expression to ground",
    noResult: "no expression could be used, so nothing was grounded")

  let identity: RunIdentity
  let remarks: [String]
  let watched: WatchedFiles
  let warnings: [String]
  let refusal: String?
  let lost: [SkippedSample]
  let units: [GroundingUnit]
  let costs: [Double]

  var imageProcessor: (any ImageProcessor)? { grounder.model.processor }

  private let configuration: GroundConfiguration
  private let grounder: ExpressionGrounder

  /// - Parameters:
  ///   - dataset: on rank 0 the dataset; nil elsewhere.
  ///   - digest: its file's SHA-256, on every rank.
  /// - Throws: `JobError` or `HeadImpactError` where the heads or views are not the model's.
  init(_ c: GroundConfiguration, _ opened: JobModel, _ dataset: GroundingDataset?, digest: String) throws {
    let model = opened.model
    try c.views.check(model)
    try JobInputs.checkScored(c.scoredModelSHA256, by: "the heads", is: opened.sha256, of: c.model)
    try c.heads.check(layers: model.decoder.layers.count, heads: model.numAttentionHeads)
    identity = RunIdentity(
      opened.identityParts + [
        ("dataset (SHA-256)", digest), ("--prompt", c.prompt), ("--precision", c.precision.rawValue),
        ("--limit", c.limit.map(String.init) ?? "none"),
        ("heads", c.heads.map(\.description).sorted().joined(separator: ",")),
        ("--threshold", "\(c.locating.threshold)"), ("--sigma", "\(c.locating.sigma)"),
        ("--parts", c.locating.parts.rawValue), ("--query", c.query.rawValue), ("--normalize", c.normalize.rawValue),
        ("--views", c.views.rawValue),
      ])
    watched = opened.watched
    remarks = opened.remarks(onAdapter: c.adapter)
    warnings = dataset?.warnings ?? []
    refusal = dataset?.objects.problems.refusal
    units = dataset.map { GroundingUnit.units(of: $0, limit: c.limit) } ?? []
    // Where sentences are counted, an annotation that is left out is no sample that anyone could name.
    let last = c.limit.flatMap { [units] _ in units.flatMap(\.examples).map(\.id).max() }
    lost = dataset?.form == .sentences ? [] : dataset?.objects.problems.lost(upTo: last).map(SkippedSample.init) ?? []
    var costs = UnitCosts(model)
    self.costs = units.map { $0.cost(&costs) }
    configuration = c
    grounder = ExpressionGrounder(model, c)
  }

  func faults(of unit: GroundingUnit, in pictures: Pictures) throws -> [SkippedSample] {
    try grounder.faults(of: unit, pictures)
  }

  func compute(
    _ unit: GroundingUnit, in pictures: Pictures, poll: @escaping () throws -> Void
  ) throws -> GroundingResult {
    try grounder.ground(unit, pictures, poll: poll)
  }

  func decode(_ bytes: [UInt8]) throws -> GroundingResult { try GroundingResult(decoding: bytes) }

  func finish(_ work: FinishedWork<GroundingResult>?, on world: Communicator) throws -> GroundingJob.Summary? {
    try world.agree { try work.map { try write($0) } }
  }

  private func write(_ work: FinishedWork<GroundingResult>) throws -> GroundingJob.Summary {
    let found = try units.flatMap { try work.result(of: $0.key).outcomes.compactMap(\.found) }
    guard !found.isEmpty else { throw Self.words.noResult(work.skipped) }
    let skips = SkipCounts(samples: found.count + work.skipped.count, skipped: work.skipped.map(\.reason.kind))
    let bytes = try GroundingResults.bytes(of: found)
    try work.requireOutput()
    // First what says which run the output is of: killed in between, the run has no output yet.
    try RunFile(identity, output: bytes, skips: skips).write(beside: configuration.output)
    try AtomicFile.write(bytes, to: configuration.output)
    return try summary(found, skips, isNew: true)
  }

  func finishedSummary() throws -> GroundingJob.Summary {
    let skips = try RunFile.check(configuration.output, isOf: identity)
    return try summary(GroundingResults.read(configuration.output), skips, isNew: false)
  }

  private func summary(
    _ found: [GroundedExpression], _ skips: SkipCounts, isNew: Bool
  ) throws -> GroundingJob.Summary {
    GroundingJob.Summary(
      scores: try GroundingScores(found, resamples: configuration.bootstrapResamples, seed: configuration.seed),
      heads: configuration.heads, output: configuration.output.path, page: configuration.page?.path, skips: skips,
      isNew: isNew)
  }
}

import COCO
import Foundation
import HDF5Store
import HeadImpact
import IO
import Jobs
import Kernels
import MessagePassing
import RunSupport
import VisionLanguage

/// What of a unit job is scoring: an image is a unit, and its result the Head Impact of its samples.
final class ScoringWork: UnitJob {
  static let words = UnitJobWords(
    sample: "annotation", noUnit: "has no annotation to score",
    noResult: "no sample could be used, so there is no Head Impact")
  static let strictLooksAhead = false

  let remarks: [String]
  let watched: WatchedFiles
  private let scoreIdentity: ScoreIdentity
  private let configuration: ScoreConfiguration
  /// On rank 0; nil elsewhere, as the plan.
  private let dataset: KeyObjectDataset?
  private let plan: ScoringPlan?
  private let scorer: UnitScorer
  private let team: ThreadTeam
  /// Of the samples that this rank computed; on rank 0 of those in the journal too.
  private var sums: HeadImpactAccumulator
  /// How many pictures that this rank counted were turned, and whether the last one computed was.
  private var turned = 0
  private var lastIsTurned = false
  /// On rank 0.
  private var index = SampleIndex()

  /// - Parameters:
  ///   - dataset: on rank 0 the dataset; nil elsewhere.
  ///   - digest: its file's SHA-256, on every rank.
  init(_ c: ScoreConfiguration, _ opened: JobModel, _ dataset: KeyObjectDataset?, digest: String) throws {
    let model = opened.model
    try c.options.views.check(model)
    configuration = c
    self.dataset = dataset
    scoreIdentity = ScoreIdentity(
      programVersion: JobDefaults.programVersion, modelType: model.modelType, modelSHA256: opened.sha256,
      weightsSampleSHA256: opened.weightsSampleSHA256, adapterSHA256: opened.adapterSHA256, modelFiles: opened.files,
      datasetSHA256: digest, configuration: c)
    watched = opened.watched
    remarks = opened.remarks(onAdapter: c.adapter)
    plan = dataset.map {
      ScoringPlan(
        $0, limit: c.limit, prompt: c.prompt, dimensions: model.dimensions, layout: model.visualLayout)
    }
    let planned = plan?.units.flatMap(\.annotations) ?? []
    if !planned.isEmpty, planned.allSatisfy({ ($0.description ?? "").allSatisfy(\.isWhitespace) }) {
      throw JobError(
        "\(c.dataset.path): none of its \(planned.count) annotations has a description; score takes a key-object dataset, as "
          + "`headimpact dataset build` makes it of COCO's files")
    }
    team = opened.team
    scorer = UnitScorer(model: model, configuration: c)
    sums = HeadImpactAccumulator(layers: model.decoder.layers.count, heads: model.numAttentionHeads)
  }

  var identity: RunIdentity { scoreIdentity.run }
  var imageProcessor: (any ImageProcessor)? { scorer.model.processor }
  var units: [ScoringUnit] { plan?.units ?? [] }
  var costs: [Double] { plan?.costs ?? [] }

  private var planned: [Annotation] { units.flatMap(\.annotations) }

  var warnings: [String] {
    guard let dataset else { return [] }
    let planned = planned
    return dataset.problems.warnings()
      + [dataset.outlineProblems(of: planned).lostParts(of: planned.count)].compactMap { $0 }
  }

  var refusal: String? { configuration.isStrict ? dataset?.sampleProblems(of: planned).refusal : nil }

  var lost: [SkippedSample] {
    // An annotation that is left out has been skipped too.
    let last = configuration.limit.flatMap { _ in planned.map(\.id).max() }
    return dataset?.problems.lost(upTo: last).map(SkippedSample.init) ?? []
  }

  func prepare(on world: Communicator) {
    guard configuration.precision == .bf16, !ProductInstructions.available(for: .bf16).contains(.bfloat16),
      !configuration.isQuiet
    else { return }
    world.tell(["this processor has no bf16 instructions: --precision bf16 works, at the speed of f32"])
  }

  func faults(of unit: ScoringUnit, in pictures: Pictures) throws -> [SkippedSample] {
    try scorer.faults(of: unit, pictures: pictures)
  }

  func compute(_ unit: ScoringUnit, in pictures: Pictures, poll: @escaping () throws -> Void) throws -> UnitResult {
    let (result, isTurned) = try scorer.score(unit, pictures: pictures, poll: poll)
    lastIsTurned = isTurned
    return result
  }

  func count(_ result: UnitResult) throws {
    for impact in result.impacts { try sums.add(impact) }
    if lastIsTurned { turned += 1 }
  }

  func decode(_ bytes: [UInt8]) throws -> UnitResult { try UnitResult(decoding: bytes) }

  func collect(_ result: UnitResult, isResumed: Bool) throws {
    index.add(result)
    // The ranks have summed what they computed.
    if isResumed { for impact in result.impacts { try sums.add(impact) } }
  }

  func tellRemarks(on world: Communicator) throws {
    let allTurned = try world.reduce([Int64(turned)], .sum, to: 0)?.first ?? 0
    if let warning = TurnedPictures.warning(count: Int(allTurned)) { world.tell(["warning: \(warning)"]) }
  }

  private var provenance: ScoringProvenance {
    ScoringProvenance(
      identity: scoreIdentity, modelName: IO.modelName(ofFolder: configuration.model),
      adapterName: configuration.adapter?.standardizedFileURL.lastPathComponent,
      datasetName: configuration.dataset.standardizedFileURL.lastPathComponent,
      categories: (dataset?.categories ?? []).map { HeadImpactFile.Category(id: Int($0.id), name: $0.name) }
        .sorted { $0.id < $1.id },
      layers: sums.layers, heads: sums.heads)
  }

  func finish(_ work: FinishedWork<UnitResult>?, on world: Communicator) throws -> ScoringJob.Summary? {
    // A kill just before the journal's removal leaves the output beside it: a resumed run replaces it, and that of an
    // interrupted run that overwrites.
    let end = ScoringEnd(
      provenance: provenance, output: configuration.output, replaces: configuration.resumes || configuration.overwrites,
      team: team)
    let samples = work.map {
      ScoredSamples(
        index: index, skipped: $0.skipped, seconds: $0.seconds, result: $0.result,
        requireOutput: $0.requireOutput)
    }
    return try end.run(samples, sums, on: world)
  }

  func shardContent() throws -> String { String(decoding: try provenance.encode(), as: UTF8.self) }

  func summary(of shard: FinishedShard) -> ScoringJob.Summary {
    ScoringJob.Summary(
      samples: shard.skips.samples - shard.skips.skipped, skips: shard.skips, output: shard.url, isNew: shard.isNew,
      shard: shard)
  }

  func finishedSummary() throws -> ScoringJob.Summary {
    let contents = try HeadImpactFile.read(configuration.output)
    let (begun, kinds) = try HeadImpactFile.origin(of: configuration.output)
    // Another version may have finished it; all that it read must be the same.
    var asked = scoreIdentity
    asked.programVersion = begun.programVersion
    try begun.run.requireSame(as: asked.run, finished: configuration.output)
    if contents.version < HeadImpactFile.version {
      Remarks.tell([
        "\(configuration.output.path): was finished by an older version of this program, in version \(contents.version) of the "
          + "format, and stays as it is: without values corrected for chance, tests, masks and names. To have them, score "
          + "again to another --output"
      ])
    }
    // A file of before kinds were told has none.
    let skips = SkipCounts(
      samples: contents.table.samples + kinds.count, skipped: kinds.map { SkipKind(rawValue: $0) ?? .record })
    return ScoringJob.Summary(
      samples: contents.table.samples, skips: skips, output: configuration.output, isNew: false)
  }
}

extension UnitResult: WorkResult {
  var key: Int { imageID }
  var sampleCount: Int { outcomes.count }

  var skipped: [SkippedSample] {
    outcomes.compactMap { outcome in
      guard case .skipped(let reason) = outcome.kind else { return nil }
      return SkippedSample(id: Int64(outcome.annotationID), reason: reason)
    }
  }
}

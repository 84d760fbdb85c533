import COCO
import Foundation
import HDF5Store
import HeadImpact
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
  /// k of `layer_top_frequency`: the paper tunes the three best layers.
  private static let topLayers = 3

  let remarks: [String]
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
  /// On rank 0: in which image's record each scored sample is.
  private var imageOfSample: [Int: Int] = [:]

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
      adapterSHA256: opened.adapterSHA256, modelFiles: opened.files, datasetSHA256: digest, configuration: c)
    remarks = opened.remarks(onAdapter: c.adapter)
    plan = dataset.map {
      ScoringPlan(
        $0, limit: c.limit, prompt: c.prompt, dimensions: model.dimensions, layout: model.visualLayout)
    }
    team = opened.team
    scorer = UnitScorer(model: model, configuration: c)
    sums = HeadImpactAccumulator(layers: model.decoder.layers.count, heads: model.numAttentionHeads)
  }

  var identity: RunIdentity { scoreIdentity.run }
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
    for impact in result.impacts {
      imageOfSample[impact.annotationID] = result.imageID
      // The ranks have summed what they computed.
      if isResumed { try sums.add(impact) }
    }
  }

  func finish(_ work: FinishedWork<UnitResult>?, on world: Communicator) throws -> ScoringJob.Summary? {
    let limbs = try world.reduce(sums.limbs, .sum, to: 0)
    let allTurned = try world.reduce([Int64(turned)], .sum, to: 0)?.first ?? 0
    if let warning = TurnedPictures.warning(count: Int(allTurned)) { world.tell(["warning: \(warning)"]) }
    let intervals = try bootstrap(work, on: world)
    return try world.agree {
      guard let work, let limbs, let intervals else { return nil }
      let total = try HeadImpactAccumulator(layers: sums.layers, heads: sums.heads, limbs: limbs)
      return try write(total, intervals, work, ranks: world.worldSize)
    }
  }

  /// The intervals, by all ranks together, from rank 0's results: there on rank 0.
  private func bootstrap(
    _ work: FinishedWork<UnitResult>?, on world: Communicator
  ) throws -> BootstrapIntervals? {
    let ids = Set(imageOfSample.values).sorted()
    let images = Int(try world.broadcast(world.rank == 0 ? [Int64(ids.count)] : nil)[0])
    return try world.bootstrap(
      images: images, layers: sums.layers, heads: sums.heads, topLayers: Self.topLayers,
      options: configuration.options, team: team
    ) { index in
      guard let work else { throw JobError("only rank 0 has the results") }
      return try ImageSums(samples: work.result(of: ids[index]).impacts)
    }
  }

  private func write(
    _ sums: HeadImpactAccumulator, _ intervals: BootstrapIntervals, _ work: FinishedWork<UnitResult>, ranks: Int
  ) throws -> ScoringJob.Summary {
    let samples = imageOfSample.keys.sorted()
    // Samples of one image mostly follow one another, so its record is read once.
    var held: UnitResult?
    try HeadImpactFile.write(
      to: configuration.output, table: sums.table(), intervals: intervals, samples: samples,
      row: { [imageOfSample] id in
        let imageID = imageOfSample[id] ?? 0
        let result = try held.flatMap { $0.imageID == imageID ? $0 : nil } ?? work.result(of: imageID)
        held = result
        guard let row = result.row(of: id) else {
          throw JobError("\(configuration.journal.path): has no sample \(id)")
        }
        return row
      },
      skipped: work.skipped.map {
        HeadImpactFile.Skipped(id: Int($0.id), kind: $0.reason.kind.rawValue, reason: $0.reason.text)
      },
      provenance: HeadImpactFile.Provenance(
        identity: scoreIdentity, modelName: configuration.model.standardizedFileURL.lastPathComponent,
        adapterName: configuration.adapter?.standardizedFileURL.lastPathComponent,
        ranks: ranks, secondsScoring: work.seconds),
      // A kill just before the journal's removal leaves the output beside it.
      replacing: configuration.resumes)
    return ScoringJob.Summary(
      samples: samples.count,
      skips: SkipCounts(samples: samples.count + work.skipped.count, skipped: work.skipped.map(\.reason.kind)),
      output: configuration.output, isNew: true)
  }

  func finishedSummary() throws -> ScoringJob.Summary {
    let contents = try HeadImpactFile.read(configuration.output)
    let (begun, kinds) = try HeadImpactFile.origin(of: configuration.output)
    // What an older version finished stays so.
    var asked = scoreIdentity
    asked.programVersion = begun.programVersion
    try begun.run.requireSame(as: asked.run, finished: configuration.output)
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

  /// The samples that were scored.
  var impacts: [SampleImpact] {
    outcomes.compactMap { if case .scored(let impact, _) = $0.kind { impact } else { nil } }
  }

  /// What the output has of a sample; nil if it wasn't scored.
  fileprivate func row(of id: Int) -> HeadImpactFile.Row? {
    for outcome in outcomes where outcome.annotationID == id {
      if case .scored(let impact, let scores) = outcome.kind {
        return HeadImpactFile.Row(impact: impact, views: views, scores: scores)
      }
    }
    return nil
  }
}

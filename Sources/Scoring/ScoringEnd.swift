import Foundation
import HDF5Store
import HeadImpact
import IO
import Kernels
import MessagePassing
import RunSupport

/// The samples that a run scored, on rank 0, wherever their records are.
struct ScoredSamples {
  let index: SampleIndex
  /// Everything that couldn't be used; ascending by id.
  let skipped: [SkippedSample]
  /// The time of the scoring, in seconds.
  let seconds: Double
  /// The record of an image.
  let result: (_ imageID: Int) throws -> UnitResult
  /// Makes sure that the output is still this run's.
  let requireOutput: () throws -> Void
}

/// Where the samples that were scored are, and how many visual tokens they have together.
struct SampleIndex {
  /// In which image's record each sample is.
  private(set) var imageOfSample: [Int: Int] = [:]
  private(set) var visualTokens = 0

  mutating func add(_ result: UnitResult) {
    for impact in result.impacts {
      imageOfSample[impact.annotationID] = result.imageID
      visualTokens += impact.tokens.visual
    }
  }
}

/// What hi.h5 says of a run, besides its numbers: all that finishing needs where the inputs aren't there.
struct ScoringProvenance: Codable {
  let identity: ScoreIdentity
  let modelName: String
  /// nil without an adapter.
  let adapterName: String?
  /// The name of the dataset's file, without its folder.
  let datasetName: String
  /// Of the dataset, ascending by id.
  let categories: [HeadImpactFile.Category]
  let layers: Int
  /// Heads per layer.
  let heads: Int

  func encode() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return Array(try encoder.encode(self))
  }

  /// - Throws: `JobError` if the bytes are none.
  init(decoding bytes: [UInt8]) throws {
    do { self = try JSONDecoder().decode(Self.self, from: Data(bytes)) } catch {
      throw JobError("a shard doesn't say what it is of: \(error)")
    }
  }

  init(
    identity: ScoreIdentity, modelName: String, adapterName: String?, datasetName: String,
    categories: [HeadImpactFile.Category], layers: Int, heads: Int
  ) {
    (self.identity, self.modelName, self.adapterName) = (identity, modelName, adapterName)
    (self.datasetName, self.categories) = (datasetName, categories)
    (self.layers, self.heads) = (layers, heads)
  }
}

/// The end of a scoring run, by all ranks together: the sums are reduced, the intervals drawn, the
/// heads tested, and rank 0 writes hi.h5.
struct ScoringEnd {
  /// k of `layer_top_frequency`: the paper tunes the three best layers.
  private static let topLayers = 3

  let provenance: ScoringProvenance
  let output: URL
  /// Whether a file of this name may be there, and is replaced.
  let replaces: Bool
  let team: ThreadTeam

  /// Every rank calls it at the same time.
  ///
  /// - Parameters:
  ///   - samples: on rank 0 all of them; nil elsewhere.
  ///   - sums: over this rank's part of the samples.
  /// - Returns: on rank 0 what was done; nil elsewhere.
  func run(
    _ samples: ScoredSamples?, _ sums: HeadImpactAccumulator, on world: Communicator
  ) throws -> ScoringJob.Summary? {
    let limbs = try world.reduce(sums.limbs, .sum, to: 0)
    let start = MonotonicClock.now
    let statistics = try statistics(samples, on: world)
    let drawn = MonotonicClock.now
    var summary = try SharedCompression(world: world, team: team).run { compression in
      guard let samples, let limbs, let statistics else { throw JobError("only rank 0 has the results") }
      let total = try HeadImpactAccumulator(layers: provenance.layers, heads: provenance.heads, limbs: limbs)
      return try write(total, statistics, samples, compression, on: world)
    }
    summary?.end = ScoringJob.EndSeconds(statistics: drawn - start, writing: MonotonicClock.now - drawn)
    return summary
  }

  /// By all ranks together, from rank 0's results: there on rank 0.
  private func statistics(_ samples: ScoredSamples?, on world: Communicator) throws -> HeadImpactStatistics? {
    let ids = Set((samples?.index.imageOfSample ?? [:]).values).sorted()
    let images = Int(try world.broadcast(world.rank == 0 ? [Int64(ids.count)] : nil)[0])
    let shared = SharedStatistics(
      images: images, layers: provenance.layers, heads: provenance.heads, options: provenance.identity.options,
      on: world)
    return try shared.run(topLayers: Self.topLayers, team: team) { index in
      guard let samples else { throw JobError("only rank 0 has the results") }
      return try ImageImpact(samples: samples.result(ids[index]).impacts)
    }
  }

  private func write(
    _ sums: HeadImpactAccumulator, _ statistics: HeadImpactStatistics, _ scored: ScoredSamples,
    _ compression: HeadImpactFile.Compression, on world: Communicator
  ) throws -> ScoringJob.Summary {
    let (index, samples) = (scored.index, scored.index.imageOfSample.keys.sorted())
    // Samples of one image mostly follow one another, so its record is read once.
    var held: UnitResult?
    try HeadImpactFile.write(
      to: output, table: sums.table(), statistics: statistics,
      samples: HeadImpactFile.Samples(ids: samples, visualTokens: index.visualTokens) { id in
        try world.attend()
        let imageID = index.imageOfSample[id] ?? 0
        let result = try held.flatMap { $0.imageID == imageID ? $0 : nil } ?? scored.result(imageID)
        held = result
        guard let row = result.row(of: id) else {
          throw JobError("\(output.path): the record of image \(imageID) has no sample \(id)")
        }
        return row
      },
      skipped: scored.skipped.map {
        HeadImpactFile.Skipped(id: Int($0.id), kind: $0.reason.kind.rawValue, reason: $0.reason.text)
      },
      provenance: HeadImpactFile.Provenance(
        identity: provenance.identity, modelName: provenance.modelName, adapterName: provenance.adapterName,
        datasetName: provenance.datasetName, categories: provenance.categories, ranks: world.worldSize,
        secondsScoring: scored.seconds),
      replacing: replaces, compression: compression, beforeNaming: scored.requireOutput)
    return ScoringJob.Summary(
      samples: samples.count,
      skips: SkipCounts(samples: samples.count + scored.skipped.count, skipped: scored.skipped.map(\.reason.kind)),
      output: output, isNew: true)
  }
}

extension UnitResult {
  /// The samples that were scored.
  var impacts: [SampleImpact] {
    outcomes.compactMap { if case .scored(let sample) = $0.kind { sample.impact } else { nil } }
  }

  /// What the output has of a sample; nil if it wasn't scored.
  fileprivate func row(of id: Int) -> HeadImpactFile.Row? {
    guard let picture else { return nil }
    for outcome in outcomes where outcome.annotationID == id {
      if case .scored(let sample) = outcome.kind {
        return HeadImpactFile.Row(
          impact: sample.impact,
          source: HeadImpactFile.Source(
            description: sample.description, fileName: picture.fileName, width: picture.width, height: picture.height),
          mask: sample.mask, views: picture.views, scores: sample.scores)
      }
    }
    return nil
  }
}

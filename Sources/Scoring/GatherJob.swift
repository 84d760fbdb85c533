import Foundation
import HeadImpact
import Jobs
import Kernels
import MessagePassing
import RunSupport

/// What `gather` is asked for.
public struct GatherConfiguration: Sendable {
  /// The HDF5 file to make.
  public var output: URL
  /// The finished shards; none stands for those beside the output.
  public var shards: [URL] = []
  /// Threads per rank; by default this rank's share of the node's cores.
  public var threads: Int?
  /// Share of the samples that may be skipped.
  public var allowedSkips = SkipCounts.defaultAllowed
  /// Removes the shards once the output is complete.
  public var removesShards = false
  /// Whether an output that is there is replaced.
  public var overwrites = false

  public init(output: URL) { self.output = output }
}

/// Makes of all shards of a scoring run the output that one run would have made: neither the model nor the dataset nor
/// the images need be there.
public struct GatherJob {
  private let configuration: GatherConfiguration
  private let world: Communicator

  public init(_ configuration: GatherConfiguration, on world: Communicator) {
    self.configuration = configuration
    self.world = world
  }

  /// What rank 0 reads.
  private struct Gathered {
    let set: ShardSet<UnitResult>
    let provenance: ScoringProvenance
    let sums: HeadImpactAccumulator
    let samples: ScoredSamples
  }

  /// Runs the job. Every rank calls it at the same time.
  ///
  /// - Returns: on rank 0 what was done; nil elsewhere.
  /// - Throws: `JobError` if a shard is missing, damaged, not finished or of another run, or the output exists.
  public func run() throws -> ScoringJob.Summary? {
    var lock: RunLock?
    defer { lock?.release() }
    let gathered = try world.agree { () -> Gathered? in
      try SkipCounts.validate(allowed: configuration.allowedSkips)
      try JobInputs.validate(threads: configuration.threads, limit: nil)
      guard world.rank == 0 else { return nil }
      let own = try claimOutput()
      lock = own
      return try read(own)
    }
    let threads = try JobDefaults.threads(configuration.threads, on: world)
    let provenance = try world.broadcast(world.rank == 0 ? gathered?.provenance.encode() : nil)
    let end = try world.agree {
      ScoringEnd(
        provenance: try ScoringProvenance(decoding: provenance), output: configuration.output,
        replaces: configuration.overwrites,
        team: ThreadTeam(count: threads))
    }
    let sums =
      gathered?.sums ?? HeadImpactAccumulator(layers: end.provenance.layers, heads: end.provenance.heads)
    let summary = try end.run(gathered?.samples, sums, on: world)
    if let summary { Remarks.tell(summary.skips, allowed: configuration.allowedSkips) }
    try world.agree {
      guard let gathered, configuration.removesShards else { return }
      for file in gathered.set.files { try FileManager.default.removeItem(at: file.url) }
    }
    return summary
  }

  private func claimOutput() throws -> RunLock {
    let output = configuration.output
    try JobInputs.checkFolder(of: output)
    let lock = try RunLock(for: output, resumes: true)
    let names: Set = [output.lastPathComponent, lock.url.lastPathComponent]
    lock.removeLeftovers(of: names, in: output.deletingLastPathComponent())
    guard configuration.overwrites || !FileManager.default.fileExists(atPath: output.path) else {
      lock.release()
      throw JobError("\(output.path): already exists; choose another --output, or let it be replaced by --overwrite")
    }
    guard try OutputKind.hdf5.isKind(of: output) else {
      lock.release()
      throw JobError("\(output.path): is no output of this command, so --overwrite doesn't replace it")
    }
    return lock
  }

  private func read(_ lock: RunLock) throws -> Gathered {
    let output = configuration.output
    let urls = try configuration.shards.isEmpty ? Shard.files(of: output) : configuration.shards
    var sums: HeadImpactAccumulator?
    var index = SampleIndex()
    let set = try ShardSet(urls, of: output, attend: world.attend, decode: { try UnitResult(decoding: $0) }) { result in
      index.add(result)
      for impact in result.impacts {
        if sums == nil { sums = HeadImpactAccumulator(layers: impact.layers, heads: impact.heads) }
        try sums?.add(impact)
      }
    }
    guard let sums else { throw ScoringWork.words.noResult(set.skipped) }
    let provenance = try ScoringProvenance(decoding: Array(set.files[0].manifest.content.utf8))
    guard provenance.identity.programVersion == JobDefaults.programVersion else {
      throw JobError(
        "\(set.files[0].url.path): was made by version \(provenance.identity.programVersion) of this program, and this is "
          + "\(JobDefaults.programVersion); gather with that version")
    }
    guard (provenance.layers, provenance.heads) == (sums.layers, sums.heads) else {
      throw JobError(
        "\(set.files[0].url.path): is of a model of \(provenance.layers) layers of \(provenance.heads) heads, and its "
          + "samples have \(sums.layers) of \(sums.heads)")
    }
    return Gathered(
      set: set, provenance: provenance, sums: sums,
      samples: ScoredSamples(
        index: index, skipped: set.skipped, seconds: set.seconds, result: set.result,
        requireOutput: lock.check))
  }
}

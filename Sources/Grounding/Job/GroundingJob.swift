import Foundation
import HeadImpact
import Jobs
import MessagePassing
import RunSupport

/// The grounding job: images are shared out over the ranks, each reads where chosen heads look for every expression, and
/// rank 0 writes the boxes and masks, and their scores.
public struct GroundingJob {
  private let configuration: GroundConfiguration
  private let world: Communicator

  /// What a finished run reports.
  public struct Summary: Sendable, Encodable, UnitJobSummary {
    public let scores: GroundingScores
    public let heads: [Selection.Head]
    public let output: String
    public let skips: SkipCounts
    /// False if the output was already finished by the run to resume.
    public let isNew: Bool
  }

  public init(_ configuration: GroundConfiguration, on world: Communicator) {
    self.configuration = configuration
    self.world = world
  }

  /// Runs the job. Every rank calls it at the same time.
  ///
  /// - Returns: on rank 0 what was done; nil elsewhere.
  /// - Throws: errors of the inputs or of the run. Under MPI, let it leave
  ///   `Communicator.withWorld`, which stops every rank.
  public func run() throws -> Summary? {
    let claim = try world.claimOutput(configuration)
    defer { claim.release() }
    let threads = try JobDefaults.threads(configuration.threads, on: world)
    let (dataset, digest) = try readDataset()
    let work = try world.agree {
      let opened = try JobModel(configuration, threads: threads, allowsNoChange: true)
      return try GroundingWork(configuration, opened, dataset, digest: digest)
    }
    return try work.run(configuration, claim: claim, on: world)
  }

  /// - Returns: on rank 0 the dataset; on every rank its file's SHA-256.
  /// - Throws: on every rank, if rank 0 can't read it.
  private func readDataset() throws -> (dataset: GroundingDataset?, digest: String) {
    let read = try world.agree { () -> (dataset: GroundingDataset, digest: String)? in
      guard world.rank == 0 else { return nil }
      let json = try JobInputs.read(configuration.dataset)
      return (try GroundingDataset(json: json, name: configuration.dataset.path), try JobInputs.digest(json))
    }
    return (read?.dataset, try world.share(read?.digest))
  }
}

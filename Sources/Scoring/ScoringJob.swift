import COCO
import COCO
import Foundation
import HDF5Store
import HeadImpact
import Jobs
import Kernels
import MessagePassing
import RunSupport

/// The scoring job: rank 0 reads the dataset and shares out its images; every rank runs the model over those it gets;
/// the sums are reduced, the samples' rows gathered, and rank 0 writes one HDF5 file.
public struct ScoringJob {
  private let configuration: ScoreConfiguration
  private let world: Communicator

  /// What a finished run reports.
  public struct Summary: Sendable, UnitJobSummary {
    public let samples: Int
    public let skips: SkipCounts
    public let output: URL
    /// False if the output was already finished by the run to resume.
    public let isNew: Bool
    /// Of a shard; nil for a whole run.
    public var shard: FinishedShard?
    /// What the end took; nil where there was none.
    public var end: EndSeconds?
  }

  /// Times of the end of a run, in seconds.
  public struct EndSeconds: Sendable, Encodable {
    /// Of the bootstraps and the test of each head.
    public let statistics: Double
    public let writing: Double
  }

  public init(_ configuration: ScoreConfiguration, on world: Communicator) {
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
      // An adapter that changes nothing yet has a Head Impact too: the model's own.
      let opened = try JobModel(configuration, threads: threads, allowsNoChange: true)
      return try ScoringWork(configuration, opened, dataset, digest: digest)
    }
    if !claim.isFinished, configuration.precision == .bf16, !CPUBackend.hasBFloat16Instructions, !configuration.isQuiet
    {
      world.tell(["this processor has no bf16 instructions: --precision bf16 works, at the speed of f32"])
    }
    return try work.run(configuration, claim: claim, on: world)
  }

  /// - Returns: on rank 0 the dataset; on every rank its file's SHA-256.
  /// - Throws: on every rank, if rank 0 can't read it.
  private func readDataset() throws -> (dataset: KeyObjectDataset?, digest: String) {
    let read = try world.agree { () -> (dataset: KeyObjectDataset, digest: String)? in
      guard world.rank == 0 else { return nil }
      let json = try JobInputs.read(configuration.dataset)
      return (try KeyObjectDataset(json: json, name: configuration.dataset.path), try JobInputs.digest(json))
    }
    return (read?.dataset, try world.share(read?.digest))
  }
}

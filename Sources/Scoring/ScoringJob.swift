import COCO
import Foundation
import HDF5Store
import HeadImpact
import Jobs
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
    try ScoringWork.run(
      configuration, on: world,
      // An adapter that changes nothing yet has a Head Impact too: the model's own.
      allowsNoChange: true,
      reading: { try world.readDataset(configuration.dataset) { try KeyObjectDataset(json: $0, name: $1) } },
      making: { try ScoringWork(configuration, $0, $1.dataset, digest: $1.digest) })
  }
}

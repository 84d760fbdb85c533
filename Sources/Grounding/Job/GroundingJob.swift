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
    /// The folder of the page; nil if none was asked for.
    public let page: String?
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
    let summary = try GroundingWork.run(
      configuration, on: world, allowsNoChange: true,
      reading: { try world.readDataset(configuration.dataset) { try GroundingDataset(json: $0, name: $1) } },
      making: { try GroundingWork(configuration, $0, $1.dataset, digest: $1.digest) })
    try world.agree {
      guard let summary, let page = configuration.page else { return }
      try PlacesFolder(configuration: configuration, url: page).write(
        GroundingResults.read(configuration.output), summary.scores, skips: summary.skips, attend: world.attend)
    }
    return summary
  }
}

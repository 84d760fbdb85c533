import Foundation
import Jobs
import MessagePassing
import RunSupport

/// The generating job: images are shared out over the ranks, and rank 0 writes what was said of them in the dataset's
/// order.
public struct GenerationJob {
  private let configuration: GenerateConfiguration
  private let world: Communicator

  /// What a finished run reports.
  public struct Summary: Sendable, Encodable, UnitJobSummary {
    public let output: String
    public let results: Int
    public let skipped: Int
    public let skips: SkipCounts
    /// A few of the texts.
    public let examples: [String]
    /// False if the output was already finished by the run to resume.
    public let isNew: Bool
  }

  public init(_ configuration: GenerateConfiguration, on world: Communicator) {
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
    let texts = try world.readTexts(
      configuration.dataset, images: configuration.images, withObjects: configuration.objects != nil,
      system: configuration.input.system)
    let work = try world.agree {
      let opened = try JobModel(configuration, threads: threads, generates: true, allowsNoChange: false)
      return try GenerationWork(configuration, opened, texts)
    }
    return try work.run(configuration, claim: claim, on: world)
  }
}

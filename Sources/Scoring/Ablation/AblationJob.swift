import Foundation
import Jobs
import MessagePassing
import RunSupport

/// The ablating job: images are shared out over the ranks, each is measured with all ablations, and rank 0 adds up.
public struct AblationJob {
  private let configuration: AblateConfiguration
  private let world: Communicator

  /// What a finished run reports.
  public struct Summary: Sendable, UnitJobSummary {
    public let result: AblationResult
    public let output: URL
    /// False if the output was already finished by the run to resume.
    public let isNew: Bool

    public var skips: SkipCounts { result.skips }
  }

  public init(_ configuration: AblateConfiguration, on world: Communicator) {
    self.configuration = configuration
    self.world = world
  }

  /// Runs the job. Every rank calls it at the same time.
  ///
  /// - Returns: on rank 0 what was done; nil elsewhere.
  /// - Throws: errors of the inputs or of the run. Under MPI, let it leave
  ///   `Communicator.withWorld`, which stops every rank.
  public func run() throws -> Summary? {
    try AblationWork.run(
      configuration, on: world, generates: configuration.generates, allowsNoChange: true,
      reading: {
        try world.readTexts(
          configuration.dataset, annotations: configuration.annotations, images: configuration.images,
          system: configuration.input.system)
      }, making: { try AblationWork(configuration, $0, $1) })
  }
}

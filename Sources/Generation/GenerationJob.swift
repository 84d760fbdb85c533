import Decoding
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
    /// What rank 0's passes of the decoder took; nil if the output was already finished.
    public let passes: PassTimes.Summary?
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
    try GenerationWork.run(
      configuration, on: world, generates: true, allowsNoChange: false,
      reading: {
        try world.readTexts(
          configuration.dataset, images: configuration.images, withObjects: configuration.objects != nil,
          system: configuration.input.system)
      }, making: { try GenerationWork(configuration, $0, $1) })
  }
}

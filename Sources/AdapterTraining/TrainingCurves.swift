import Foundation
import HDF5Store

/// How the loss went in a finished run, as training.h5 has it.
public struct TrainingCurves: Sendable {
  /// Mean loss over the supervised tokens of each step's batch, by step.
  public let training: [(step: Int, loss: Double)]
  /// The same of the held-out examples, where there were any.
  public let validation: [(step: Int, loss: Double)]

  /// - Parameter adapter: the folder that the run made.
  /// - Throws: `HDF5Error` naming the file.
  public init(ofAdapter adapter: URL) throws {
    self = try HDF5File.read(from: adapter.appendingPathComponent("training.h5").path) { try TrainingCurves($0) }
  }

  init(_ file: HDF5File) throws {
    func curve(_ steps: String, _ losses: String) throws -> [(step: Int, loss: Double)] {
      zip(try file.read(steps, as: Int32.self).values, try file.read(losses, as: Double.self).values)
        .map { (Int($0), $1) }
    }
    training = try curve("step", "loss")
    validation = try file.exists("/validation_loss") ? try curve("validation_step", "validation_loss") : []
  }
}

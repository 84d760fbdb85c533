import Foundation
import MessagePassing
import RunSupport

extension Communicator {
  /// Whether the output of the run to resume is already finished: decided on rank 0, for all ranks, before a job
  /// begins.
  ///
  /// - Throws: on every rank, what `configuration.validate` throws, or `JobError` if the output can't be written to its
  ///   folder or, unless the run resumes, if the output or a file that a run keeps beside it exists.
  public func agreeIsFinished(_ configuration: some JobConfiguration) throws -> Bool {
    let (output, work) = (configuration.output, configuration.work)
    let isFinished = try agree {
      try configuration.validate()
      guard rank == 0 else { return false }
      try JobInputs.checkFolder(of: output)
      if configuration.resumes {
        return FileManager.default.fileExists(atPath: output.path)
          && !FileManager.default.fileExists(atPath: work.url.path)
      }
      try JobInputs.refuseExisting([(output.path, "the output"), (work.url.path, work.what)])
      return false
    }
    return try settle(isFinished)
  }

  /// Rank 0's answer, for all ranks.
  ///
  /// - Parameter isSo: on rank 0 the answer; elsewhere ignored.
  public func settle(_ isSo: Bool) throws -> Bool {
    try broadcast(rank == 0 ? [Int32(isSo ? 1 : 0)] : nil)[0] == 1
  }
}

import Foundation
import MessagePassing
import RunSupport

extension Communicator {
  /// Whether the output of the run to resume is there already, finished: settled on rank 0, for all, before a job begins.
  ///
  /// - Throws: on every rank, what `configuration.validate` throws, or `JobError` where the output can't go to its folder or,
  ///   but for a run that resumes, the output or what a run keeps beside it is there.
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

  /// What rank 0 says, for all.
  ///
  /// - Parameter isSo: on rank 0 the answer; elsewhere ignored.
  public func settle(_ isSo: Bool) throws -> Bool {
    try broadcast(rank == 0 ? [Int32(isSo ? 1 : 0)] : nil)[0] == 1
  }
}

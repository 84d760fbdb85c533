import Foundation
import MessagePassing

extension Communicator {
  /// Whether the output of the run to resume is there already, finished: settled on rank 0, for all, before a job begins.
  ///
  /// - Parameters:
  ///   - work: what a run keeps beside its output until that is whole, and its name in errors.
  ///   - validate: looks at the job's options.
  /// - Throws: on every rank, what `validate` throws, or `JobError` where the output can't go to its folder or, but for a run
  ///   that resumes, the output or `work` is there.
  public func agreeIsFinished(
    _ output: URL, work: (url: URL, what: String), resumes: Bool, validate: () throws -> Void
  ) throws -> Bool {
    let isFinished = try agree {
      try validate()
      guard rank == 0 else { return false }
      try JobInputs.checkFolder(of: output)
      if resumes {
        return FileManager.default.fileExists(atPath: output.path)
          && !FileManager.default.fileExists(atPath: work.url.path)
      }
      try JobInputs.refuseExisting([(output.path, "the output"), (work.url.path, work.what)])
      return false
    }
    return try broadcast(rank == 0 ? [Int32(isFinished ? 1 : 0)] : nil)[0] == 1
  }

  /// The same of a job that keeps a journal.
  ///
  /// - Throws: as the other; what `configuration.validate` throws.
  public func agreeIsFinished(_ configuration: some UnitJobConfiguration) throws -> Bool {
    try agreeIsFinished(
      configuration.output, work: (configuration.journal, "the journal of a run that was stopped"),
      resumes: configuration.resumes, validate: configuration.validate)
  }
}

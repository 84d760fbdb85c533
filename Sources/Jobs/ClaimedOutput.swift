import Foundation
import IO
import MessagePassing
import RunSupport

/// The output of a job, which no other run writes to until it is released.
public struct ClaimedOutput {
  /// Whether the output of the run to resume is finished already; the same on all ranks.
  public let isFinished: Bool
  /// On rank 0 the output's lock; nil elsewhere.
  public let lock: RunLock?

  public init(isFinished: Bool, lock: RunLock?) {
    (self.isFinished, self.lock) = (isFinished, lock)
    if let lock { RunStanding.set(releasing: lock.release) }
  }

  /// Ends the claim, whether the job succeeded or not.
  public func release() {
    lock?.release()
    RunStanding.set(releasing: nil)
  }
}

extension Communicator {
  /// Locks the output of a job, and tells whether it is already finished: decided on rank 0, for all ranks, before the
  /// job begins. Every rank must release it.
  ///
  /// - Throws: on every rank, what `configuration.validate` throws, or `JobError` if the output can't be written to its
  ///   folder, if another run is writing to it or, unless the run resumes or overwrites, if the output or a file that a run keeps
  ///   beside it exists.
  public func claimOutput(_ configuration: some JobConfiguration) throws -> ClaimedOutput {
    var lock: RunLock?
    do {
      let isFinished = try agree {
        try configuration.validate()
        guard rank == 0 else { return false }
        try JobInputs.checkFolder(of: configuration.output)
        lock = try RunLock(for: configuration.output, resumes: configuration.resumes, wait: attend)
        return try isFinishedOutput(of: configuration, lock)
      }
      return ClaimedOutput(isFinished: try settle(isFinished), lock: lock)
    } catch {
      lock?.release()
      throw error
    }
  }

  private func isFinishedOutput(of configuration: some JobConfiguration, _ lock: RunLock?) throws -> Bool {
    let (output, work) = (configuration.output, configuration.work)
    if configuration.overwrites {
      let inputs = configuration.inputs.map(\.place)
      guard !inputs.contains(output.place) else {
        throw JobError(
          "\(output.path): is an input of this command, so --overwrite doesn't replace it; choose another --output")
      }
      guard try configuration.outputKind.isKind(of: output) else {
        throw JobError(
          "\(output.path): is no output of this command, so --overwrite doesn't replace it; choose another --output")
      }
      // The old output stays until the new one is complete.
      if FileManager.default.fileExists(atPath: work.url.path) { try FileSystem.remove(work.url) }
    } else if !configuration.resumes {
      try JobInputs.refuseExisting([(output.path, "the output"), (work.url.path, work.what)])
    }
    let name = output.lastPathComponent
    lock?.removeLeftovers(
      of: [name, "\(name).run", "\(name).lock", work.url.lastPathComponent], in: output.deletingLastPathComponent())
    let files = FileManager.default
    return configuration.resumes && files.fileExists(atPath: output.path) && !files.fileExists(atPath: work.url.path)
  }

  /// Rank 0's answer, for all ranks.
  ///
  /// - Parameter isSo: on rank 0 the answer; elsewhere ignored.
  public func settle(_ isSo: Bool) throws -> Bool {
    try broadcast(rank == 0 ? [Int32(isSo ? 1 : 0)] : nil)[0] == 1
  }
}

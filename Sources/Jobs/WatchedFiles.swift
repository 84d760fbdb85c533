import Foundation
import IO
import MessagePassing
import RunSupport

/// The files that a run's numbers come from: nobody may write to them until it ends.
///
/// A mapped file that is overwritten changes the numbers without any error. Files that were read once are watched too: the
/// run could not be resumed with others. A file that is replaced by renaming, or removed, is no error: what was mapped or
/// read is still the old one.
public struct WatchedFiles: Sendable {
  private struct ReadFile: Sendable {
    let path: String
    let stamp: FileStamp
  }

  private var read: [ReadFile] = []
  private var mapped: [MappedFile] = []

  /// Watches nothing.
  public init() {}

  /// Watches files that are about to be read; those that don't exist don't matter.
  ///
  /// - Throws: `EnvironmentFault` if the system can't tell.
  init(reading files: [URL]) throws {
    read = try files.compactMap { file in try FileStamp(file.path).map { ReadFile(path: file.path, stamp: $0) } }
  }

  /// Watches mapped files, from the state on in which they were mapped.
  mutating func add(_ files: [MappedFile]) { mapped += files }

  /// Checks that what was read while the files were opened belongs together.
  ///
  /// - Throws: `JobError` naming a file that was changed, replaced or removed meanwhile.
  func requireSameNames() throws {
    for file in read {
      let change = try FileStamp(file.path).map { file.stamp.change(to: $0) } ?? "was removed"
      if let change { throw JobError("\(file.path): \(change) while it was being read; start again") }
    }
    try requireUnchanged()
  }

  /// Runs `body`, and checks that nobody has written to any of the files meanwhile: what it computed, or found wrong, comes
  /// from these files.
  ///
  /// - Parameter host: for the error, where there are several.
  /// - Throws: as `requireUnchanged`; else what `body` throws.
  public func during<R>(on host: String? = nil, _ body: () throws -> R) throws -> R {
    let result = Result(catching: body)
    if case .failure(let error) = result, TransientFailure.exitCode(for: error) != 1 { throw error }
    try Pictures.onHost(host) { try requireUnchanged() }
    return try result.get()
  }

  /// Checks that nobody has written to any of the files.
  ///
  /// - Parameter asksServer: as `MappedFile.requireUnchanged`.
  /// - Throws: `JobError` naming the file and what happened.
  public func requireUnchanged(asksServer: Bool = false) throws {
    do {
      for file in mapped { try file.requireUnchanged(asksServer: asksServer) }
      for file in read {
        guard let now = try FileStamp(file.path), now.isSameFile(as: file.stamp),
          let change = file.stamp.change(to: now)
        else { continue }
        throw ChangedFile(path: file.path, change: change)
      }
    } catch let error as ChangedFile {
      throw JobError(
        "\(error): it was changed while the run uses it, and nothing computed since is recorded. Restore it and continue with "
          + "--resume, or start over with the new one. Replace a model's files by renaming, never in place")
    }
  }
}

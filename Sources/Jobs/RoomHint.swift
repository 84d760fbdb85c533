import Foundation
import IO
import MessagePassing
import RunSupport

/// Adds what continues the run to an error that a full disk or a quota caused.
///
/// - Throws: what `body` throws; on such an error a `JobError` that begins with it, or the `AgreedFailure` with the hint.
func withRoomHint<R>(_ body: () throws -> R) throws -> R {
  do { return try body() } catch {
    // By its text: the error may be of HDF5, or another rank's.
    let text = "\(error)"
    guard [ENOSPC, EDQUOT].contains(where: { text.contains(errnoText($0)) }) else { throw error }
    let hint = "Make room there, then continue with the same command and --resume: what is done is kept"
    // It stays one that all ranks have, and that is printed once.
    if let agreed = error as? AgreedFailure { throw agreed.adding(hint) }
    throw JobError("\(text)\n\(hint)")
  }
}

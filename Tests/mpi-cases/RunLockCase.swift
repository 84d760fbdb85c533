import Foundation
import RunSupport

/// Takes the lock of an output and holds it. Arguments: the output, and how long to hold it, in seconds.
func runLockCase(_ arguments: [String]) throws {
  let lock = try RunLock(for: URL(fileURLWithPath: arguments[0]), resumes: false)
  defer { lock.release() }
  print("held by \(getpid())")
  usleep(UInt32((Double(arguments[1]) ?? 0) * 1e6))
  try lock.check()
}

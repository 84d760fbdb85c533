internal import CHDF5
import Foundation

/// Debian's HDF5 library isn't thread-safe: one thread at a time is in it.
private let libraryLock = NSRecursiveLock()

private let libraryIsReady: Bool = {
  // Files are closed explicitly. At exit the library would only try again to close what couldn't be written.
  H5dont_atexit() >= 0 && H5open() >= 0
}()

/// Runs `body` as the only one in the HDF5 library, with its printing of errors off.
func withLibrary<R>(_ body: () throws -> R) rethrows -> R {
  libraryLock.lock()
  defer { libraryLock.unlock() }
  if libraryIsReady { _ = chdf5_silence() }
  return try body()
}

/// Where a call of the library belongs, for the error's sake.
struct Place {
  let file: String
  let object: String?
  let operation: String

  func error(_ reason: String) -> HDF5Error {
    HDF5Error(file: file, object: object, operation: operation, reason: reason)
  }

  /// The one door for return codes and identifiers, which are negative on failure.
  @discardableResult
  func check<T: SignedInteger>(_ code: T) throws -> T {
    guard code >= 0 else { throw error(lastReason()) }
    return code
  }

  /// Opens a handle, passes it to `body`, closes it. A failed close is an error; after a failure of `body`, that one
  /// is.
  func with<R>(_ handle: hid_t, close: (hid_t) -> herr_t, _ body: (hid_t) throws -> R) throws -> R {
    let handle = try check(handle)
    let result: R
    do { result = try body(handle) } catch {
      _ = close(handle)
      throw error
    }
    try check(close(handle))
    return result
  }
}

extension HDF5File {
  /// The library's version.
  public static var libraryVersion: String {
    var (major, minor, release): (UInt32, UInt32, UInt32) = (0, 0, 0)
    _ = withLibrary { H5get_libversion(&major, &minor, &release) }
    return "\(major).\(minor).\(release)"
  }
}

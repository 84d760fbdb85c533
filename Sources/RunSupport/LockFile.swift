import Foundation
import IO

/// What a lock file looks like at one moment.
struct LockSight: Equatable {
  let bytes: [UInt8]
  /// By the file server's clock, in seconds.
  let renewed: Double

  /// No lock is longer.
  private static let longest = 1 << 16

  /// - Returns: nil if there is no such file.
  /// - Throws: `EnvironmentFault`.
  init?(_ url: URL) throws {
    // Opening it makes NFS ask the server: a name's attributes alone may be a minute old.
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if [ENOENT, ESTALE].contains(errno) { return nil }
      throw EnvironmentFault(path: url.path, operation: "read", code: errno)
    }
    defer { close(descriptor) }
    var status = stat()
    var bytes = [UInt8](repeating: 0, count: Self.longest)
    let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
    guard count >= 0, fstat(descriptor, &status) == 0 else {
      if errno == ESTALE { return nil }
      throw EnvironmentFault(path: url.path, operation: "read", code: errno)
    }
    self.bytes = Array(bytes.prefix(count))
    renewed = seconds(status.st_mtim)
  }

  var holder: LockHolder? { LockHolder(bytes) }
}

/// A run's own lock file under a temporary name, before it becomes the lock.
struct LockCandidate {
  let bytes: [UInt8]
  private let url: URL
  private let aside: URL
  private let descriptor: Int32

  /// - Parameter url: of the lock.
  /// - Throws: `EnvironmentFault` naming it.
  init(_ holder: LockHolder, for url: URL) throws {
    bytes = try holder.encode()
    self.url = url
    aside = TemporaryName.beside(url)
    descriptor = open(aside.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw EnvironmentFault(path: url.path, operation: "made", code: errno) }
    do { try Self.fill(descriptor, bytes, of: url) } catch {
      remove()
      throw error
    }
  }

  private static func fill(_ descriptor: Int32, _ bytes: [UInt8], of url: URL) throws {
    let count = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    guard count == bytes.count, fsync(descriptor) == 0 else {
      throw EnvironmentFault(path: url.path, operation: "written", code: count < 0 ? errno : ENOSPC)
    }
  }

  /// The file server's time, in seconds.
  ///
  /// - Throws: `EnvironmentFault`.
  func serverTime() throws -> Double {
    var status = stat()
    guard futimens(descriptor, nil) == 0, fstat(descriptor, &status) == 0 else {
      throw EnvironmentFault(path: url.path, operation: "touched", code: errno)
    }
    return seconds(status.st_mtim)
  }

  /// Gives the file the lock's name, unless there is a lock.
  ///
  /// - Returns: whether this is the lock now.
  /// - Throws: `EnvironmentFault`.
  func claim() throws -> Bool {
    // Old NFS may create a file twice despite O_EXCL, and may lose the answer of a link that it made: the number of
    // names tells.
    let code = link(aside.path, url.path) == 0 ? 0 : errno
    var status = stat()
    if fstat(descriptor, &status) == 0, status.st_nlink == 2 { return true }
    switch code {
    case 0, EEXIST: return try LockSight(url)?.bytes == bytes
    case EPERM, ENOSYS, EOPNOTSUPP, EMLINK, EXDEV, EINVAL: return try create()
    default: throw EnvironmentFault(path: url.path, operation: "made", code: code)
    }
  }

  /// The same on a file system without links.
  private func create() throws -> Bool {
    let lock = open(url.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard lock >= 0 else {
      if errno == EEXIST { return false }
      throw EnvironmentFault(path: url.path, operation: "made", code: errno)
    }
    defer { close(lock) }
    do { try Self.fill(lock, bytes, of: url) } catch {
      unlink(url.path)
      throw error
    }
    return true
  }

  /// Ends the use of the temporary name.
  func remove() {
    unlink(aside.path)
    close(descriptor)
  }

  /// Takes a lock away whose run is gone.
  ///
  /// Renaming is what only one of several runs can do. If what it renamed isn't what it judged, somebody was faster, and
  /// gets the lock back.
  ///
  /// - Returns: whether the lock was taken away.
  /// - Throws: `EnvironmentFault`.
  static func takeAway(_ judged: LockSight, at url: URL) throws -> Bool {
    guard try LockSight(url) == judged else { return false }
    let aside = TemporaryName.beside(url)
    guard rename(url.path, aside.path) == 0 else {
      if errno == ENOENT { return false }
      throw EnvironmentFault(path: url.path, operation: "taken over", code: errno)
    }
    let isJudged = try LockSight(aside) == judged
    // If there is another lock by now, the one that was taken away notices its loss.
    if !isJudged, link(aside.path, url.path) != 0, errno != EEXIST { rename(aside.path, url.path) }
    unlink(aside.path)
    return isJudged
  }
}

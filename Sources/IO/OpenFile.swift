import Foundation

/// An open file, closed with the last reference to it.
///
/// Reads and writes take the position in the file. Not for use by several threads at once.
public final class OpenFile {
  /// The file's name in errors.
  public let path: String
  private var descriptor: Int32

  /// - Parameters:
  ///   - flags: of `open`; `O_CLOEXEC` is added.
  ///   - name: the file's name in errors, if it is written under a temporary name.
  /// - Throws: `EnvironmentFault`.
  public init(_ url: URL, flags: Int32, name: URL? = nil) throws {
    path = (name ?? url).path
    descriptor = open(url.path, flags | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw fault(flags & O_CREAT == 0 ? "opened" : "written") }
  }

  /// An unlinked temporary file: it disappears with the process, however that ends.
  ///
  /// - Throws: `EnvironmentFault` naming the folder.
  public init(temporaryIn folder: URL) throws {
    path = "a temporary file in \(folder.path)"
    let url = TemporaryName.beside(folder.appendingPathComponent("headimpact"))
    descriptor = open(url.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw fault("made") }
    unlink(url.path)
  }

  deinit {
    if descriptor >= 0 { Foundation.close(descriptor) }
  }

  /// Ends the use of the file.
  ///
  /// - Throws: `EnvironmentFault` if bytes may not have been written.
  public func close() throws {
    guard descriptor >= 0 else { return }
    let last = descriptor
    descriptor = -1
    guard Foundation.close(last) == 0 else { throw fault("written") }
  }

  /// Whether the file still has a name and `url` leads to it: false once it, or its folder, was removed, renamed or
  /// replaced. A file system that doesn't answer is no reason for false.
  public func isAt(_ url: URL) -> Bool {
    var (own, found) = (stat(), stat())
    guard fstat(descriptor, &own) == 0 else { return errno != ESTALE }
    guard own.st_nlink > 0 else { return false }
    guard stat(url.path, &found) == 0 else { return ![ENOENT, ENOTDIR, ESTALE].contains(errno) }
    return own.st_dev == found.st_dev && own.st_ino == found.st_ino
  }

  /// - Units: bytes.
  public var size: UInt64 { UInt64(max(0, lseek(descriptor, 0, SEEK_END))) }

  /// Writes all bytes, from byte `start` of the file on.
  ///
  /// - Throws: `EnvironmentFault`; some of the bytes may be written then.
  public func write(_ bytes: UnsafeRawBufferPointer, at start: UInt64) throws {
    var done = 0
    while let base = bytes.baseAddress, done < bytes.count {
      let count = pwrite(descriptor, base + done, bytes.count - done, off_t(start) + off_t(done))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw count < 0 ? fault("written") : EnvironmentFault(path: path, operation: "written", code: EIO)
      }
      done += count
    }
  }

  /// The bytes in a range of the file.
  ///
  /// - Throws: `FileCutShort` if the file ends before; `EnvironmentFault`.
  public func read(_ range: Range<UInt64>) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: range.count) { buffer, done in
      done = 0
      while let base = buffer.baseAddress, done < range.count {
        let count = pread(descriptor, base + done, range.count - done, off_t(range.lowerBound) + off_t(done))
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw fault("read") }
        guard count > 0 else {
          throw FileCutShort(path: path, end: range.lowerBound + UInt64(done), expected: range.upperBound)
        }
        done += count
      }
    }
  }

  /// Drops everything from byte `size` on.
  ///
  /// - Throws: `EnvironmentFault`.
  public func truncate(to size: UInt64) throws {
    guard ftruncate(descriptor, off_t(size)) == 0 else { throw fault("shortened") }
  }

  /// Flushes the file to the disk.
  ///
  /// - Throws: `EnvironmentFault`.
  public func flush() throws {
    guard fsync(descriptor) == 0 else { throw fault("flushed to the disk") }
  }

  /// Passes the descriptor, for another program's output.
  public func withDescriptor<R>(_ body: (Int32) throws -> R) rethrows -> R {
    try withExtendedLifetime(self) { try body(descriptor) }
  }

  /// The error of the last failed system call.
  private func fault(_ operation: String) -> EnvironmentFault {
    EnvironmentFault(path: path, operation: operation, code: errno)
  }
}

/// A file that ends before bytes that were written to it: something else has shortened it, or its disk has lost them.
public struct FileCutShort: Error, CustomStringConvertible, Equatable, Sendable {
  public let path: String
  /// Where the file ends.
  ///
  /// - Units: bytes.
  public let end: UInt64
  /// The least position at which it should end.
  ///
  /// - Units: bytes.
  public let expected: UInt64

  public var description: String { "\(path): ends at byte \(end); what was written there extends to byte \(expected)" }

  public init(path: String, end: UInt64, expected: UInt64) {
    self.path = path
    self.end = end
    self.expected = expected
  }
}

/// Flushes a file's bytes, or the names in a folder, to the disk.
///
/// - Throws: `EnvironmentFault` naming it. A file system that can't flush folders (EINVAL) is not an error.
public func synchronize(_ url: URL) throws {
  let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw EnvironmentFault(path: url.path, operation: "opened", code: errno) }
  defer { close(descriptor) }
  guard fsync(descriptor) == 0 || errno == EINVAL else {
    throw EnvironmentFault(path: url.path, operation: "flushed to the disk", code: errno)
  }
}

/// Renames a temporary file or folder to its final name in one step, replacing a file or an empty folder of that name.
///
/// - Throws: `EnvironmentFault` naming `url`; nothing has changed then.
public func putInPlace(_ temporary: URL, at url: URL) throws {
  guard rename(temporary.path, url.path) == 0 else {
    throw EnvironmentFault(path: url.path, operation: "renamed to its final name", code: errno)
  }
  // The new name is on disk when its folder is. The file is complete in any case; some file systems can't flush
  // folders.
  do { try synchronize(url.deletingLastPathComponent()) } catch {}
}

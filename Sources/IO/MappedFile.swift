internal import CSignals
import Foundation

/// A regular file, mapped read-only and shared: the ranks of one node read the same pages.
///
/// Truncating the file while it is mapped ends the process with SIGBUS at the next read of a lost page (`CrashReport` says
/// why); no program that maps files can turn that into an error. Overwriting it changes the bytes that are read, which
/// `requireUnchanged` notices. Replacing it by renaming does no harm: the mapping keeps the old file.
public final class MappedFile: @unchecked Sendable {
  // Invariant behind `@unchecked Sendable`: the mapping and the descriptor are made once in `init`, the mapping is PROT_READ
  // and never remapped, the descriptor is only asked for its status, and both go only with the last reference. So every
  // thread sees constant bytes for as long as it holds the object and nobody writes to the file.
  private let base: UnsafeRawPointer?
  /// Kept for `requireUnchanged`: the name may belong to another file by then.
  private let descriptor: Int32
  /// Of the mapping among those that a crash report names.
  private let mapping: Int32

  public let url: URL
  /// - Units: bytes.
  public let count: Int
  /// Of the file when it was mapped.
  public let stamp: FileStamp

  /// - Throws: `UnusableFile` if the file is missing, unreadable or no regular file.
  public init(contentsOf url: URL) throws {
    self.url = url
    let path = url.path
    // O_NONBLOCK: opening a named pipe must not wait for a writer. Regular files ignore it.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let code = errno
      if code == ENOENT, let target = InputFile.linkTarget(of: url) {
        throw UnusableFile(path: path, reason: MissingFile(path: path, linkTarget: target).reason)
      }
      throw UnusableFile(path: path, reason: "can't be opened: \(errnoText(code))")
    }
    do {
      let status = try Self.status(of: descriptor, path: path)
      let count = Int(status.st_size)
      let start = try Self.map(descriptor, count: count, path: path)
      (base, self.count, self.descriptor, stamp) = (start, count, descriptor, FileStamp(status))
      mapping = start.map { headimpact_add_mapping($0, count, path) } ?? -1
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit {
    headimpact_remove_mapping(mapping)
    if let base { munmap(UnsafeMutableRawPointer(mutating: base), count) }
    close(descriptor)
  }

  private static func status(of descriptor: Int32, path: String) throws -> stat {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw UnusableFile(path: path, reason: "can't be examined: \(errnoText(errno))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw UnusableFile(
        path: path,
        reason: status.st_mode & S_IFMT == S_IFDIR ? "is a directory, not a file" : "is not a regular file")
    }
    return status
  }

  /// - Returns: nil for an empty file, whose range mmap refuses.
  private static func map(_ descriptor: Int32, count: Int, path: String) throws -> UnsafeRawPointer? {
    guard count > 0 else { return nil }
    guard let start = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0), start != MAP_FAILED else {
      throw UnusableFile(path: path, reason: "its \(count) bytes can't be mapped: \(errnoText(errno))")
    }
    return UnsafeRawPointer(start)
  }

  /// Checks that nobody has written to the file since it was mapped. It costs one system call. A file that was replaced by
  /// renaming, or removed, is unchanged: the mapping keeps its bytes.
  ///
  /// - Parameter asksServer: opens the file again, which lets a network file system ask its server what it else remembers for
  ///   up to a minute.
  /// - Throws: `ChangedFile`; `UnusableFile` if the system can't tell.
  public func requireUnchanged(asksServer: Bool = false) throws {
    if asksServer {
      let again = open(url.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
      if again >= 0 { close(again) }
    }
    let now = FileStamp(try Self.status(of: descriptor, path: url.path))
    if let change = stamp.change(to: now) { throw ChangedFile(path: url.path, change: change) }
  }

  /// Tells the system that these bytes will be read soon. Doesn't wait.
  public func prefetch(_ range: Range<Int>) {
    // Advice: if it isn't taken, the read takes longer.
    _ = posix_fadvise(descriptor, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_WILLNEED)
  }

  /// A copy of some bytes, which the system reads without those around them.
  ///
  /// - Throws: `UnusableFile` if they can't be read.
  public func read(_ range: Range<Int>) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: range.count) { buffer, done in
      done = 0
      while let base = buffer.baseAddress, done < range.count {
        let count = pread(descriptor, base + done, range.count - done, off_t(range.lowerBound + done))
        if count < 0, errno == EINTR { continue }
        guard count > 0 else {
          let reason = count < 0 ? errnoText(errno) : "it ends at byte \(range.lowerBound + done)"
          throw UnusableFile(path: url.path, reason: "can't be read: \(reason)")
        }
        done += count
      }
    }
  }

  /// Calls `body` with all bytes; the pointer must not outlive the call.
  public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(self) { try body(UnsafeRawBufferPointer(start: base, count: count)) }
  }

  /// Calls `body` with the bytes in `range`; the pointer must not outlive the call.
  public func withBytes<Result>(
    in range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    try withBytes { try body(UnsafeRawBufferPointer(rebasing: $0[range])) }
  }
}

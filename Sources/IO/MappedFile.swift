import Foundation

/// A regular file, mapped read-only and shared: the ranks of one node read the same pages.
///
/// Truncating the file while it is mapped ends the process with SIGBUS at the next read of a lost page; no
/// program that maps files can turn that into an error. Replace a checkpoint by renaming, never by overwriting.
public final class MappedFile: @unchecked Sendable {
  // Invariant behind `@unchecked Sendable`: the mapping is made once in `init`, is PROT_READ, is never remapped, and
  // goes only with the last reference. So every thread sees constant bytes for as long as it holds the object.
  private let base: UnsafeRawPointer?

  public let url: URL
  /// - Units: bytes.
  public let count: Int

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
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw UnusableFile(path: path, reason: "can't be examined: \(errnoText(errno))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw UnusableFile(
        path: path,
        reason: status.st_mode & S_IFMT == S_IFDIR ? "is a directory, not a file" : "is not a regular file")
    }
    count = Int(status.st_size)
    guard count > 0 else {
      base = nil  // mmap refuses an empty range
      return
    }
    guard let start = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0), start != MAP_FAILED else {
      throw UnusableFile(path: path, reason: "its \(count) bytes can't be mapped: \(errnoText(errno))")
    }
    base = UnsafeRawPointer(start)
  }

  deinit {
    if let base { munmap(UnsafeMutableRawPointer(mutating: base), count) }
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

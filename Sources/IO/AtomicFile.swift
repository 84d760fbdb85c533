import Foundation

/// A file that appears under its name in one step, complete and flushed to the disk.
///
/// It is written under a temporary name in the same folder, so that two runs never write to the same file, and renamed.
/// `write` does both; files that belong together are first all prepared, then committed one after the other.
public final class AtomicFile {
  public let url: URL
  private let aside: URL
  private let file: OpenFile
  private var end: UInt64 = 0
  private var isFinished = false
  private var isCommitted = false

  /// Writes the bytes to `url`, replacing a file of this name.
  ///
  /// - Throws: `EnvironmentFault` naming the file; what was there before is then untouched.
  public static func write(_ bytes: some DataProtocol, to url: URL) throws {
    try AtomicFile(preparing: bytes, for: url).commit()
  }

  /// Writes the bytes to a temporary file beside `url`, and flushes them to the disk.
  ///
  /// - Throws: `EnvironmentFault` naming the file; nothing is left then.
  public convenience init(preparing bytes: some DataProtocol, for url: URL) throws {
    try self.init(for: url)
    for region in bytes.regions { try region.withUnsafeBytes { try append($0) } }
    try finish()
  }

  /// Begins a file; what is appended to it appears at `url` on `commit()`. Releasing the object removes an uncommitted
  /// file.
  ///
  /// - Throws: `EnvironmentFault` naming the file.
  public convenience init(for url: URL) throws {
    try self.init(for: url, aside: TemporaryName.beside(url), flags: O_EXCL)
  }

  init(for url: URL, aside: URL, flags: Int32) throws {
    self.url = url
    self.aside = aside
    file = try OpenFile(aside, flags: O_WRONLY | O_CREAT | flags, name: url)
  }

  deinit { discard() }

  /// - Throws: `EnvironmentFault` naming the file.
  public func append(_ bytes: UnsafeRawBufferPointer) throws {
    try file.write(bytes, at: end)
    end += UInt64(bytes.count)
  }

  /// Flushes everything that was appended to the disk; only the renaming remains.
  private func finish() throws {
    guard !isFinished else { return }
    try file.flush()
    try file.close()
    isFinished = true
  }

  /// Renames the file to its final name, replacing an existing one.
  ///
  /// - Throws: `EnvironmentFault` naming the file; what was written is removed then.
  public func commit() throws {
    do {
      try finish()
      try putInPlace(aside, at: url)
      isCommitted = true
    } catch {
      discard()
      throw error
    }
  }

  /// Removes what was written, unless it is committed.
  public func discard() {
    if !isCommitted { unlink(aside.path) }
  }
}

import Foundation

/// A file that appears under its name in one step, whole and on the disk.
///
/// It is written under a name of its own in the same folder, so that two runs never write to the same bytes, and renamed.
/// `write` does both; files that belong together are first all prepared, then committed one after the other.
public struct AtomicFile {
  public let url: URL
  private let aside: URL

  /// Writes the bytes to `url`, replacing a file of this name.
  ///
  /// - Throws: `EnvironmentFault` naming the file; what was there before is then untouched.
  public static func write(_ bytes: some DataProtocol, to url: URL) throws {
    try AtomicFile(preparing: bytes, for: url).commit()
  }

  /// Writes the bytes beside `url`, and waits until the disk has them.
  ///
  /// - Throws: `EnvironmentFault` naming the file; nothing is left then.
  public init(preparing bytes: some DataProtocol, for url: URL) throws {
    self.url = url
    let random = String(UInt32.random(in: 0...UInt32.max), radix: 16)
    aside = url.deletingLastPathComponent()
      .appendingPathComponent(".\(url.lastPathComponent).\(getpid())-\(random).partial")
    let descriptor = open(aside.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw EnvironmentFault(path: url.path, operation: "written", code: errno) }
    var code: Int32 = 0
    for region in bytes.regions where code == 0 { code = Self.write(region, to: descriptor) }
    if code == 0, fsync(descriptor) != 0 { code = errno }
    if close(descriptor) != 0, code == 0 { code = errno }
    if code != 0 {
      unlink(aside.path)
      throw EnvironmentFault(path: url.path, operation: "written", code: code)
    }
  }

  /// Gives the file its name.
  ///
  /// - Throws: `EnvironmentFault` naming the file; what was written is removed then.
  public func commit() throws {
    guard rename(aside.path, url.path) == 0 else {
      let code = errno
      discard()
      throw EnvironmentFault(path: url.path, operation: "written", code: code)
    }
    // The new name is on disk when its folder is. The file is whole in any case; some file systems can't do this.
    let folder = open(url.deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }

  /// Removes what was written, where it isn't committed.
  public func discard() { unlink(aside.path) }

  /// - Returns: 0, or the value of `errno`.
  private static func write(_ region: some ContiguousBytes, to descriptor: Int32) -> Int32 {
    region.withUnsafeBytes { buffer in
      var done = 0
      while done < buffer.count {
        let count = buffer.baseAddress.map { Foundation.write(descriptor, $0 + done, buffer.count - done) } ?? 0
        if count < 0 {
          if errno == EINTR { continue }
          return errno
        }
        done += count
      }
      return 0
    }
  }
}

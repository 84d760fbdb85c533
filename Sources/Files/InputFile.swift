import Foundation

/// Reading whole files, with errors that say whose fault it is.
public enum InputFile {
  /// All bytes of a file.
  ///
  /// - Throws: `MissingFile` where only this file is missing; `FolderForFile`; `EnvironmentFault` for everything else that the system
  ///   refuses, a folder that is missing or empty (a file system that is not mounted) among it.
  public static func read(_ url: URL) throws -> [UInt8] { try read(url, upTo: .max) }

  /// The first bytes of a file, at most `limit`.
  ///
  /// - Throws: as `read(_:)`.
  public static func read(_ url: URL, upTo limit: Int) throws -> [UInt8] {
    let path = url.path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw fault(opening: url, code: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw EnvironmentFault(path: path, operation: "read", code: errno)
    }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw FolderForFile(path: path) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(min(max(0, Int(status.st_size)), limit))
    let chunk = 1 << 20
    while bytes.count < limit {
      let wanted = min(chunk, limit - bytes.count)
      let before = bytes.count
      bytes.append(contentsOf: repeatElement(0, count: wanted))
      let count = bytes.withUnsafeMutableBytes { buffer in
        buffer.baseAddress.map { Foundation.read(descriptor, $0 + before, wanted) } ?? 0
      }
      let code = errno
      bytes.removeLast(wanted - max(0, count))
      if count < 0 {
        if code == EINTR { continue }
        throw EnvironmentFault(path: path, operation: "read", code: code)
      }
      if count == 0 { break }
    }
    return bytes
  }

  /// Why a file can't be opened: its own absence, or the environment's fault.
  static func fault(opening url: URL, code: Int32) -> any Error {
    let fault = EnvironmentFault(path: url.path, operation: "opened", code: code)
    guard code == ENOENT || code == ENOTDIR, isFolderWithContents(url.deletingLastPathComponent()) else { return fault }
    guard let target = linkTarget(of: url) else { return MissingFile(path: url.path) }
    // A link into a file system that is not mounted says nothing of the file.
    let place = URL(fileURLWithPath: target, relativeTo: url.deletingLastPathComponent()).deletingLastPathComponent()
    return isFolderWithContents(place) || !target.hasPrefix("/")
      ? MissingFile(path: url.path, linkTarget: target) : fault
  }

  /// What a symbolic link holds; nil where the name is none.
  public static func linkTarget(of url: URL) -> String? {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = buffer.withUnsafeMutableBytes { bytes in
      bytes.baseAddress.map { readlink(url.path, $0.assumingMemoryBound(to: CChar.self), bytes.count) } ?? -1
    }
    return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
  }

  /// An empty folder is where nothing is mounted, more often than not.
  private static func isFolderWithContents(_ folder: URL) -> Bool {
    guard let listing = opendir(folder.path) else { return false }
    defer { closedir(listing) }
    while let entry = readdir(listing) {
      let isSelfOrParent = withUnsafeBytes(of: entry.pointee.d_name) { name in
        name[0] == UInt8(ascii: ".") && (name[1] == 0 || name[1] == UInt8(ascii: ".") && name[2] == 0)
      }
      if !isSelfOrParent { return true }
    }
    return false
  }
}

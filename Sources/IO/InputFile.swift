import Foundation

/// Reads whole files, with errors that distinguish content and environment.
public enum InputFile {
  /// All bytes of a file.
  ///
  /// - Throws: `MissingFile` if only this file is missing; `FolderForFile`; `EnvironmentFault` for everything else that
  ///   the system refuses, a folder that is missing or empty (a file system that is not mounted) among it.
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
    let expected = min(max(0, Int(status.st_size)), limit)
    // A sparse file may claim any size.
    bytes.reserveCapacity(min(expected, largestReserve))
    while bytes.count < limit {
      // One byte more than the file should have: the read that finds its end.
      let wanted = min(max(expected - bytes.count + 1, smallestRead), largestRead, limit - bytes.count)
      let part = try part(of: descriptor, wanted, path: path)
      if part.isEmpty { break }
      bytes.append(contentsOf: part)
    }
    return bytes
  }

  private static let smallestRead = 1 << 12
  private static let largestRead = 1 << 24
  private static let largestReserve = 1 << 30

  /// What one read gives: empty at the end of the file.
  private static func part(of descriptor: Int32, _ wanted: Int, path: String) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
      count = 0
      while true {
        let done = Foundation.read(descriptor, buffer.baseAddress, wanted)
        if done < 0, errno == EINTR { continue }
        guard done >= 0 else { throw EnvironmentFault(path: path, operation: "read", code: errno) }
        count = done
        return
      }
    }
  }

  /// Why a file can't be opened: its own absence, or the environment's fault.
  static func fault(opening url: URL, code: Int32) -> any Error {
    let fault = EnvironmentFault(path: url.path, operation: "opened", code: code)
    guard code == ENOENT || code == ENOTDIR, isFolderWithContents(url.deletingLastPathComponent()) else { return fault }
    guard let target = linkTarget(of: url) else { return MissingFile(path: url.path) }
    // A link into a file system that is not mounted does not mean that the file is missing.
    let place = URL(fileURLWithPath: target, relativeTo: url.deletingLastPathComponent()).deletingLastPathComponent()
    return isFolderWithContents(place) || !target.hasPrefix("/")
      ? MissingFile(path: url.path, linkTarget: target) : fault
  }

  /// The target of a symbolic link; nil if the name is not one.
  public static func linkTarget(of url: URL) -> String? {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = buffer.withUnsafeMutableBytes { bytes in
      bytes.baseAddress.map { readlink(url.path, $0.assumingMemoryBound(to: CChar.self), bytes.count) } ?? -1
    }
    return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
  }

  /// An empty folder usually means that nothing is mounted there.
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

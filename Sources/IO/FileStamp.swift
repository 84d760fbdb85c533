import Foundation

/// What distinguishes the contents of a file at one time from those at another, without reading them.
public struct FileStamp: Equatable, Hashable, Sendable {
  public let device: UInt64
  public let inode: UInt64
  /// - Units: bytes.
  public let size: Int64
  /// Of the last change of its contents.
  ///
  /// - Units: nanoseconds since 1970.
  public let modified: Int64

  public init(_ status: stat) {
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    size = Int64(status.st_size)
    modified = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
  }

  /// The stamp of the file that has this name, behind links; nil if there is none.
  ///
  /// - Throws: `EnvironmentFault` if the system can't tell.
  public init?(_ path: String) throws {
    var status = stat()
    if stat(path, &status) == 0 {
      self.init(status)
      return
    }
    guard [ENOENT, ENOTDIR, ENAMETOOLONG, ELOOP].contains(errno) else {
      throw EnvironmentFault(path: path, operation: "examined", code: errno)
    }
    return nil
  }

  /// Whether both are of one file, whatever its name and its content.
  public func isSameFile(as other: FileStamp) -> Bool { device == other.device && inode == other.inode }

  /// What happened to the file, in words: "had 120 bytes and now has 80".
  public func change(to now: FileStamp) -> String? {
    if !isSameFile(as: now) { return "was replaced by another file" }
    if size != now.size { return "had \(size) bytes and now has \(now.size)" }
    if modified != now.modified {
      return "was written at \(Self.text(now.modified)) (before that at \(Self.text(modified)))"
    }
    return nil
  }

  private static func text(_ nanoseconds: Int64) -> String {
    let formatter = ISO8601DateFormatter()
    formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
    return formatter.string(from: Date(timeIntervalSince1970: Double(nanoseconds) / 1e9))
  }
}

/// A file that was changed while a run uses it.
public struct ChangedFile: Error, CustomStringConvertible, Equatable, Sendable {
  public let path: String
  /// What happened to it: "had 120 bytes and now has 80".
  public let change: String

  public var description: String { "\(path): \(change)" }

  public init(path: String, change: String) { (self.path, self.change) = (path, change) }
}

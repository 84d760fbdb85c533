import Foundation

/// A path as a user writes it, on the command line or in a file: `~` is the home folder.
public func fileURL(_ path: String) -> URL {
  URL(fileURLWithPath: NSString(string: path).expandingTildeInPath)
}

extension URL {
  /// Where a path leads: without `.` and `..`, links followed. Two paths of one file have the same, but for hard links.
  public var place: String {
    // Where `..` leads behind a link, only the system knows.
    guard let found = realpath(path, nil) else { return standardizedFileURL.resolvingSymlinksInPath().path }
    defer { free(found) }
    return String(cString: found)
  }
}

/// Paths that come from data and must not leave their folder.
public enum RelativePath {
  /// Whether a path stays in its folder: it isn't absolute and never goes up.
  public static func staysInside(_ path: String) -> Bool {
    !path.hasPrefix("/") && !parts(path).contains("..")
  }

  /// Whether a path stays in its folder and is canonical: also without empty parts and `.`.
  public static func isPlain(_ path: String) -> Bool {
    parts(path).allSatisfy { !["", ".", ".."].contains($0) }
  }

  /// The file of this path in a folder; nil if the path leaves the folder.
  public static func url(_ path: String, in folder: URL) -> URL? {
    staysInside(path) ? folder.appendingPathComponent(path) : nil
  }

  private static func parts(_ path: String) -> [Substring] {
    path.split(separator: "/", omittingEmptySubsequences: false)
  }
}

import Foundation
import IO

/// Folders that the demonstration writes: as a whole or not at all, and marked, so that writing again replaces only
/// what the demonstration wrote.
public enum DemoFolder {
  static let marker = ".headimpact-demo"

  /// Makes `folder` with what `fill` puts into it.
  ///
  /// - Parameter overwrites: whether a folder that the demonstration wrote before is replaced.
  /// - Throws: `FolderError` if a file or a folder is in the way; and what `fill` throws.
  static func write(to folder: URL, overwrites: Bool, _ fill: (URL) throws -> Void) throws {
    try WholeFolder.write(
      to: folder, what: "the demonstration", refusal: { old, _ in try refusal(old, overwrites: overwrites) }
    ) { fresh in
      try fill(fresh)
      try WholeFolder.write(Data("written by headimpact demo\n".utf8), to: fresh.appendingPathComponent(marker))
    }
  }

  /// Why an existing folder isn't replaced; nil if there is none, or it may be.
  ///
  /// - Throws: `EnvironmentFault` if it can't be read.
  public static func refusal(_ folder: URL, overwrites: Bool) throws -> String? {
    guard FileManager.default.fileExists(atPath: folder.path) else { return nil }
    let inside = try FileSystem.names(in: folder)
    if inside.isEmpty { return nil }
    guard overwrites else { return "already exists; choose another --output, or let it be replaced by --overwrite" }
    return inside.contains(marker)
      ? nil
      : "holds files that `headimpact demo` doesn't write, so --overwrite doesn't replace it; choose another --output"
  }
}

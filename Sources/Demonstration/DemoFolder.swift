import Foundation
import IO

/// Folders that the demonstration writes: as a whole or not at all, and marked, so that writing again replaces only
/// what the demonstration wrote.
enum DemoFolder {
  static let marker = ".headimpact-demo"

  /// Makes `folder` with what `fill` puts into it.
  /// - Throws: `FolderError` if a file or somebody else's folder is in the way; and what `fill` throws.
  static func write(to folder: URL, _ fill: (URL) throws -> Void) throws {
    try WholeFolder.write(to: folder, what: "the demonstration", refusal: { old, _ in try refusal(old) }) { fresh in
      try fill(fresh)
      try WholeFolder.write(Data("written by headimpact demo\n".utf8), to: fresh.appendingPathComponent(marker))
    }
  }

  /// Why an existing folder isn't replaced.
  private static func refusal(_ folder: URL) throws -> String? {
    let inside = try FileSystem.names(in: folder)
    if inside.isEmpty || inside.contains(marker) { return nil }
    return "the folder holds files that the demonstration did not write; choose another folder, or empty it"
  }
}

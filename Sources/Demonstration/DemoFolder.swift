import Foundation

/// Why the demonstration could not be written.
public struct DemonstrationError: Error, CustomStringConvertible, Equatable {
  /// What is wrong, where, and what would be right.
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}

/// Folders that the demonstration writes: made aside and renamed, so that nobody sees half of one, and marked, so that
/// writing again replaces only what the demonstration wrote.
enum DemoFolder {
  static let marker = ".headimpact-demo"

  /// Makes `folder` with what `fill` puts into it.
  /// - Throws: `DemonstrationError` where a file or somebody else's folder is in the way; and what `fill` throws.
  static func write(to folder: URL, _ fill: (URL) throws -> Void) throws {
    let files = FileManager.default
    let folder = folder.standardizedFileURL
    try refuseForeign(folder)
    let parent = folder.deletingLastPathComponent()
    let tag = "\(folder.lastPathComponent).\(ProcessInfo.processInfo.processIdentifier)"
    let fresh = parent.appendingPathComponent(".\(tag).new", isDirectory: true)
    let old = parent.appendingPathComponent(".\(tag).old", isDirectory: true)
    do {
      try files.createDirectory(at: fresh, withIntermediateDirectories: true)
      try fill(fresh)
      try Data("written by headimpact demo\n".utf8).write(to: fresh.appendingPathComponent(marker))
      if files.fileExists(atPath: folder.path) {
        try files.moveItem(at: folder, to: old)
      }
      try files.moveItem(at: fresh, to: folder)
    } catch {
      removeIfThere(fresh)
      if files.fileExists(atPath: old.path), !files.fileExists(atPath: folder.path) {
        try files.moveItem(at: old, to: folder)
      }
      if let error = error as? DemonstrationError { throw error }
      throw DemonstrationError("\(folder.path): can't write the demonstration there: \(Self.reason(error))")
    }
    removeIfThere(old)
  }

  private static func refuseForeign(_ folder: URL) throws {
    let files = FileManager.default
    var isFolder: ObjCBool = false
    guard files.fileExists(atPath: folder.path, isDirectory: &isFolder) else { return }
    guard isFolder.boolValue else {
      throw DemonstrationError("\(folder.path): a file is there; name a folder that does not exist yet")
    }
    let inside: [String]
    do {
      inside = try files.contentsOfDirectory(atPath: folder.path)
    } catch {
      throw DemonstrationError("\(folder.path): can't read the folder: \(reason(error))")
    }
    if !inside.isEmpty, !inside.contains(marker) {
      throw DemonstrationError(
        "\(folder.path): the folder holds files that the demonstration did not write; name another folder, or empty it")
    }
  }

  /// What is left over is hidden and harmless, so a failure to clear it away is not the caller's concern.
  private static func removeIfThere(_ folder: URL) {
    do { try FileManager.default.removeItem(at: folder) } catch {}
  }

  private static func reason(_ error: any Error) -> String {
    let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error
    return (underlying ?? error).localizedDescription
  }
}

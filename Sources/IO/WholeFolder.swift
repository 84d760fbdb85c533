import Foundation

/// A folder that appears under its name in one step, with all its contents.
public enum WholeFolder {
  /// Creates `folder` with the contents that `fill` writes. It is filled as a hidden sibling and renamed.
  ///
  /// - Parameters:
  ///   - what: what the folder is, for errors: "the adapter".
  ///   - refusal: called if a folder of this name exists: why it must not be replaced; nil if it may be. Receives that
  ///     folder and the one that will replace it.
  /// - Returns: what `fill` returns.
  /// - Throws: `FolderError` naming the folder, and what `refusal` and `fill` throw; the old folder is untouched then.
  public static func write<R>(
    to folder: URL, what: String, refusal: (_ old: URL, _ fresh: URL) throws -> String?, _ fill: (URL) throws -> R
  ) throws -> R {
    let files = FileManager.default
    let folder = folder.standardizedFileURL.resolvingSymlinksInPath()
    let aside = TemporaryName.beside(folder)
    let result: R
    do {
      try FileSystem.makeFolder(aside)
      result = try fill(aside)
      var isFolder: ObjCBool = false
      if files.fileExists(atPath: folder.path, isDirectory: &isFolder) {
        guard isFolder.boolValue else {
          throw FolderError("\(folder.path): is a file; \(what) needs a folder")
        }
        if let reason = try refusal(folder, aside) { throw FolderError("\(folder.path): \(reason)") }
      }
      try synchronize(aside)
      try place(aside, at: folder)
    } catch {
      removeLeftover(aside)
      throw describe(error, of: aside, for: folder, what: what)
    }
    return result
  }

  /// Writes a file of a folder that is being filled, and flushes it to the disk.
  ///
  /// - Throws: `EnvironmentFault` naming the file.
  public static func write(_ bytes: some DataProtocol, to url: URL) throws {
    let file = try OpenFile(url, flags: O_WRONLY | O_CREAT | O_TRUNC)
    var end: UInt64 = 0
    for region in bytes.regions {
      try region.withUnsafeBytes { try file.write($0, at: end) }
      end += UInt64(region.count)
    }
    try file.flush()
    try file.close()
  }

  /// Renames `aside` to `folder`. If that exists, there is a moment without either, but never half of one;
  /// a process killed in that moment leaves both complete beside it, under hidden names.
  private static func place(_ aside: URL, at folder: URL) throws {
    guard FileManager.default.fileExists(atPath: folder.path) else { return try putInPlace(aside, at: folder) }
    let old = TemporaryName.ofOld(folder)
    try putInPlace(folder, at: old)
    do {
      try putInPlace(aside, at: folder)
    } catch {
      try putInPlace(old, at: folder)
      throw error
    }
    removeLeftover(old)
  }

  /// What remains is hidden and harmless, so a failure here does not concern the caller.
  private static func removeLeftover(_ folder: URL) {
    do { try FileSystem.remove(folder) } catch {}
  }

  /// An error of the system, with the folder's own name instead of its temporary one; any other error unchanged.
  private static func describe(_ error: any Error, of aside: URL, for folder: URL, what: String) -> any Error {
    if let fault = error as? EnvironmentFault {
      guard fault.path == folder.path || (fault.path + "/").hasPrefix(aside.path + "/") else { return error }
      return FolderError("\(folder.path): \(what) \(fault.reason)")
    }
    return error
  }
}

/// Why a folder can't be created: which, why, and what would be right.
public struct FolderError: Error, CustomStringConvertible, Equatable, Sendable {
  public let description: String

  init(_ description: String) { self.description = description }
}

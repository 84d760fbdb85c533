import Foundation

/// A folder that appears under its name in one step, with all that belongs into it.
public enum WholeFolder {
  /// Makes `folder` with what `fill` puts into it. It is filled aside, as a hidden sibling, and renamed.
  ///
  /// - Parameters:
  ///   - what: what the folder is, for errors: "the adapter".
  ///   - refusal: asked where a folder of this name is there: why it must not be replaced, nil where it may be. Gets that
  ///     folder and the one that is to take its place.
  /// - Returns: what `fill` returns.
  /// - Throws: `FolderError` naming the folder, and what `refusal` and `fill` throw; the old folder is untouched then.
  public static func write<R>(
    to folder: URL, what: String, refusal: (_ old: URL, _ fresh: URL) throws -> String?, _ fill: (URL) throws -> R
  ) throws -> R {
    let files = FileManager.default
    let folder = folder.standardizedFileURL.resolvingSymlinksInPath()
    let parent = folder.deletingLastPathComponent()
    let aside = parent.appendingPathComponent(".\(folder.lastPathComponent).\(getpid()).partial", isDirectory: true)
    let result: R
    do {
      // What a killed run of the same process number left.
      if files.fileExists(atPath: aside.path) { try files.removeItem(at: aside) }
      try files.createDirectory(at: aside, withIntermediateDirectories: true)
      result = try fill(aside)
      var isFolder: ObjCBool = false
      if files.fileExists(atPath: folder.path, isDirectory: &isFolder) {
        guard isFolder.boolValue else {
          throw FolderError("\(folder.path): is a file; \(what) needs a folder")
        }
        if let reason = try refusal(folder, aside) { throw FolderError("\(folder.path): \(reason)") }
      }
      try flush(aside)
      try place(aside, at: folder, what: what)
    } catch {
      removeLeftover(aside)
      // Only Foundation's errors don't say what was to be done.
      guard (error as NSError).domain == NSCocoaErrorDomain else { throw error }
      throw FolderError("\(folder.path): \(what) can't be written: \(reason(error))")
    }
    do { try flush(parent) } catch {}  // some file systems can't flush folders; what is in this one is safe
    return result
  }

  /// Writes a file and waits until the disk has it.
  public static func write(_ data: Data, to url: URL) throws {
    try Data().write(to: url)
    let file = try FileHandle(forWritingTo: url)
    do {
      try file.write(contentsOf: data)
      try file.synchronize()
    } catch {
      do { try file.close() } catch {}  // the first error says why
      throw error
    }
    try file.close()
  }

  /// Puts `aside` under the name `folder`. Where one is there, there is a moment without either, but never half of one;
  /// whoever is killed in that moment leaves both whole beside it, under hidden names.
  private static func place(_ aside: URL, at folder: URL, what: String) throws {
    guard FileManager.default.fileExists(atPath: folder.path) else { return try move(aside, to: folder, what: what) }
    let old = aside.deletingPathExtension().appendingPathExtension("old")
    try move(folder, to: old, what: what)
    do {
      try move(aside, to: folder, what: what)
    } catch {
      try move(old, to: folder, what: what)
      throw error
    }
    removeLeftover(old)
  }

  private static func move(_ from: URL, to: URL, what: String) throws {
    guard rename(from.path, to.path) == 0 else {
      throw FolderError("\(to.path): \(what) can't be renamed to its final name: \(String(cString: strerror(errno)))")
    }
  }

  private static func flush(_ folder: URL) throws {
    let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw FolderError("\(folder.path): can't be opened: \(String(cString: strerror(errno)))")
    }
    // EINVAL: a file system that can't flush folders.
    let failed = fsync(descriptor) != 0 && errno != EINVAL
    let code = errno
    close(descriptor)
    if failed { throw FolderError("\(folder.path): can't be flushed: \(String(cString: strerror(code)))") }
  }

  /// What stays is hidden and harmless, so a failure here is not the caller's concern.
  private static func removeLeftover(_ folder: URL) {
    do { try FileManager.default.removeItem(at: folder) } catch {}
  }

  private static func reason(_ error: any Error) -> String {
    let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error
    return (underlying ?? error).localizedDescription
  }
}

/// Why a folder can't be made: which, why, and what would be right.
public struct FolderError: Error, CustomStringConvertible, Equatable, Sendable {
  public let description: String

  init(_ description: String) { self.description = description }
}

import Foundation
import Safetensors

/// A folder that appears under its name in one step, with all that belongs into it.
enum AdapterFolder {
  /// Makes `folder` with what `fill` puts into it. It is filled aside, as a hidden sibling, and renamed.
  ///
  /// A folder that is there already is replaced if the new one has a file for each of its own; so nothing of
  /// somebody else's is lost.
  ///
  /// - Throws: `LowRankAdaptationError` naming the folder, and what `fill` throws; the old folder is untouched then.
  static func write(to folder: URL, _ fill: (URL) throws -> Void) throws {
    let files = FileManager.default
    let folder = folder.standardizedFileURL.resolvingSymlinksInPath()
    let parent = folder.deletingLastPathComponent()
    let aside = parent.appendingPathComponent(".\(folder.lastPathComponent).\(getpid()).partial", isDirectory: true)
    do {
      // What a killed run of the same process number left.
      if files.fileExists(atPath: aside.path) { try files.removeItem(at: aside) }
      try files.createDirectory(at: aside, withIntermediateDirectories: true)
      try fill(aside)
      try refuseForeign(folder, replacedBy: Set(files.contentsOfDirectory(atPath: aside.path)))
      try flush(aside)
      try place(aside, at: folder)
    } catch {
      removeLeftover(aside)
      // Only Foundation's errors don't say what was to be done.
      guard (error as NSError).domain == NSCocoaErrorDomain else { throw error }
      throw LowRankAdaptationError("\(folder.path): the adapter can't be written: \(reason(error))")
    }
    do { try flush(parent) } catch {}  // some file systems can't flush folders; what is in this one is safe
  }

  /// Writes a file and waits until the disk has it.
  static func write(_ data: Data, to url: URL) throws {
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

  private static func refuseForeign(_ folder: URL, replacedBy fresh: Set<String>) throws {
    let files = FileManager.default
    var isFolder: ObjCBool = false
    guard files.fileExists(atPath: folder.path, isDirectory: &isFolder) else { return }
    guard isFolder.boolValue else {
      throw LowRankAdaptationError("\(folder.path): a file is there; an adapter is written to a folder")
    }
    // PEFT leaves a README.md that says nothing of its own.
    let foreign = Set(try files.contentsOfDirectory(atPath: folder.path)).subtracting(fresh).subtracting(["README.md"])
    guard foreign.isEmpty else {
      let names = foreign.sorted().prefix(5).joined(separator: ", ")
      throw LowRankAdaptationError(
        "\(folder.path): the folder holds what an adapter doesn't replace (\(names)); name another folder, or clear it")
    }
  }

  /// Puts `aside` under the name `folder`. Where one is there, there is a moment without either, but never half of one;
  /// whoever is killed in that moment leaves both whole beside it, under hidden names.
  private static func place(_ aside: URL, at folder: URL) throws {
    guard FileManager.default.fileExists(atPath: folder.path) else { return try move(aside, to: folder) }
    let old = aside.deletingPathExtension().appendingPathExtension("old")
    try move(folder, to: old)
    do {
      try move(aside, to: folder)
    } catch {
      try move(old, to: folder)
      throw error
    }
    removeLeftover(old)
  }

  private static func move(_ from: URL, to: URL) throws {
    guard rename(from.path, to.path) == 0 else {
      throw LowRankAdaptationError("\(to.path): the adapter can't be put in place: \(systemMessage(errno))")
    }
  }

  private static func flush(_ folder: URL) throws {
    let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw LowRankAdaptationError("\(folder.path): can't be opened: \(systemMessage(errno))")
    }
    // EINVAL: a file system that can't flush folders.
    let failed = fsync(descriptor) != 0 && errno != EINVAL
    let code = errno
    close(descriptor)
    if failed { throw LowRankAdaptationError("\(folder.path): can't be flushed: \(systemMessage(code))") }
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

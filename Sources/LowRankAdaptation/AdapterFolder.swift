import Foundation
import IO

/// An adapter's folder, which appears under its name in one step, with all that belongs into it.
enum AdapterFolder {
  /// Makes `folder` with what `fill` puts into it.
  ///
  /// A folder that is there already is replaced if training writes all that is in it, or the new one has a file of the same
  /// name; so nothing of somebody else's is lost.
  ///
  /// - Throws: `FolderError` naming the folder, and what `fill` throws; the old folder is untouched then.
  static func write(to folder: URL, _ fill: (URL) throws -> Void) throws {
    try WholeFolder.write(to: folder, what: "the adapter", refusal: foreignFiles, fill)
  }

  /// Why an adapter's folder that is there can't be replaced in the end; nil if it can.
  static func refusal(toReplace folder: URL) throws -> String? { refusal(of: try foreign(in: folder)) }

  private static func foreignFiles(in old: URL, replacedBy fresh: URL) throws -> String? {
    refusal(of: try foreign(in: old).subtracting(try FileSystem.names(in: fresh)))
  }

  private static func refusal(of foreign: Set<String>) -> String? {
    guard !foreign.isEmpty else { return nil }
    let names = foreign.sorted().prefix(5).joined(separator: ", ")
    return "the folder holds files that an adapter doesn't replace (\(names)); choose another folder, or clear it"
  }

  private static let adapter: Set = ["adapter_config.json", "adapter_model.safetensors", "README.md"]
  /// What training adds, besides events, whose name has their time, and the folder of another state.
  private static let companions: Set = ["training.h5", "loss.csv", "loss.svg"]
  private static let states: Set = ["best", "last"]

  /// What training doesn't write.
  private static func foreign(in folder: URL) throws -> Set<String> {
    Set(try FileSystem.names(in: folder).filter { try !isOwn($0, in: folder) })
  }

  private static func isOwn(_ name: String, in folder: URL) throws -> Bool {
    let isEvents = name.hasPrefix("events.out.tfevents.") && name.hasSuffix(".headimpact")
    if isEvents || adapter.contains(name) || companions.contains(name) { return true }
    let state = folder.appendingPathComponent(name)
    var isFolder: ObjCBool = false
    guard states.contains(name), FileManager.default.fileExists(atPath: state.path, isDirectory: &isFolder),
      isFolder.boolValue
    else { return false }
    return try FileSystem.names(in: state).allSatisfy(adapter.contains)
  }
}

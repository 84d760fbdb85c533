import Foundation
import IO

/// An adapter's folder, which appears under its name in one step, with all that belongs into it.
enum AdapterFolder {
  /// Makes `folder` with what `fill` puts into it.
  ///
  /// A folder that is there already is replaced if the new one has a file for each of its own; so nothing of
  /// somebody else's is lost.
  ///
  /// - Throws: `FolderError` naming the folder, and what `fill` throws; the old folder is untouched then.
  static func write(to folder: URL, _ fill: (URL) throws -> Void) throws {
    try WholeFolder.write(to: folder, what: "the adapter", refusal: foreignFiles, fill)
  }

  private static func foreignFiles(in old: URL, replacedBy fresh: URL) throws -> String? {
    // PEFT leaves a README.md that says nothing of its own. What train leaves depends on its options and the time.
    let foreign = Set(try FileSystem.names(in: old))
      .subtracting(try FileSystem.names(in: fresh))
      .subtracting(["README.md", "training.h5", "loss.csv", "loss.svg", "last", "best"])
      .filter { !($0.hasPrefix("events.out.tfevents.") && $0.hasSuffix(".headimpact")) }
    guard !foreign.isEmpty else { return nil }
    let names = foreign.sorted().prefix(5).joined(separator: ", ")
    return "the folder holds files that an adapter doesn't replace (\(names)); choose another folder, or clear it"
  }
}

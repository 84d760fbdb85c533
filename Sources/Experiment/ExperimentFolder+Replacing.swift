import Foundation
import IO

extension ExperimentFolder {
  /// What an experiment writes to its folder, beside which lie journals, locks and older outputs of these names.
  private static let names = [
    "experiment.yaml", "experiment.json", "demonstration", "hi.h5", "hi-prompts", "selections", "adapters", "results",
    "metrics", "hi-after", "ablation.json", "report", "steps", "replaced",
  ]

  private static func owns(_ name: String) -> Bool {
    names.contains { name == $0 || name.hasPrefix($0 + ".") || name.hasPrefix(".\($0).") }
  }

  /// Why a new experiment can't take the place of what lies under its name; nil if nothing does, an empty folder, or one
  /// that may be replaced.
  ///
  /// - Parameter inputs: what the new experiment reads.
  /// - Throws: `EnvironmentFault` if the folder can't be read.
  func refusal(inputs: [URL], overwrites: Bool) throws -> String? {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else { return nil }
    guard isFolder.boolValue else { return "is a file, and a folder is needed; choose another output" }
    let names = try FileSystem.names(in: url)
    if names.isEmpty { return nil }
    guard overwrites else {
      return "already exists; continue it with --resume, replace it with --overwrite, or choose another output"
    }
    let foreign = names.filter { !Self.owns($0) }.sorted()
    guard foreign.isEmpty else {
      let some = foreign.prefix(5).joined(separator: ", ")
      return
        "holds files that `headimpact experiment` doesn't write (\(some)), so --overwrite doesn't replace it; choose another output"
    }
    guard [configuration, replaced].contains(where: { FileManager.default.fileExists(atPath: $0.path) }) else {
      return "holds no experiment (experiment.yaml), so --overwrite doesn't replace it; choose another output"
    }
    let own = url.place
    if let input = inputs.first(where: { $0.place == own || $0.place.hasPrefix(own + "/") }) {
      return "holds \(input.path), which the experiment reads, so --overwrite doesn't replace it; choose another output"
    }
    return nil
  }

  /// Makes room for a new experiment: the old one moves to `replaced`, its experiment.yaml last. If another one is there,
  /// whose successor isn't complete, the successor goes.
  ///
  /// - Throws: `EnvironmentFault` naming the file that can't be moved or removed.
  func setAside() throws {
    let files = FileManager.default
    guard files.fileExists(atPath: url.path) else { return }
    let names = try FileSystem.names(in: url).filter { $0 != replaced.lastPathComponent }
    let last = configuration.lastPathComponent
    let isWhole = files.fileExists(atPath: replaced.appendingPathComponent(last).path)
    if !isWhole, !names.isEmpty { try FileSystem.makeFolder(replaced) }
    for name in names.filter({ $0 != last }) + names.filter({ $0 == last }) {
      let old = url.appendingPathComponent(name)
      if isWhole {
        try FileSystem.remove(old)
      } else if rename(old.path, replaced.appendingPathComponent(name).path) != 0 {
        throw EnvironmentFault(path: old.path, operation: "moved to \(replaced.path)", code: errno)
      }
    }
  }

  /// - Throws: `EnvironmentFault` naming what can't be removed.
  func removeReplaced() throws {
    if FileManager.default.fileExists(atPath: replaced.path) { try FileSystem.remove(replaced) }
  }
}

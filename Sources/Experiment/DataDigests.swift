import Foundation
import IO
import Jobs
import RunSupport

/// Digests of an experiment's data files: only steps whose data changed are done again.
struct DataDigests: Codable, Sendable {
  /// By path.
  private let files: [String: String]
  /// The fingerprint of the step that made the demonstration; empty if there is none.
  private let demonstration: String

  /// - Throws: `JobError` if a file can't be read, `ExperimentError` where a folder of images is missing.
  init(of configuration: ExperimentConfiguration, demonstration: String) throws {
    let sources =
      [configuration.score.source] + configuration.tasks.flatMap { [$0.train, $0.test] }
      + (configuration.ablate.map { [$0.source] } ?? [])
    for images in Set(sources.map(\.images)).sorted()
    where !FileManager.default.fileExists(atPath: fileURL(images).path) {
      throw ExperimentError("\(images): is not a folder of images")
    }
    let paths = sources.flatMap { [$0.dataset, $0.annotations] } + configuration.tasks.map(\.references)
    files = try Dictionary(
      uniqueKeysWithValues: Set(paths.compactMap { $0 }).map { path in
        (path, try JobInputs.read(fileURL(path)).withUnsafeBytes { try SHA256.hex(of: $0) })
      })
    self.demonstration = demonstration
  }

  /// What a source's contents are.
  subscript(source: ExperimentConfiguration.Source) -> String {
    ([demonstration] + [source.dataset, source.annotations].compactMap { $0 }.map { files[$0] ?? "" })
      .joined(separator: " ")
  }

  /// What the texts of a task are compared with.
  func references(of task: ExperimentConfiguration.TaskData) -> [String] {
    [self[task.test]] + (task.references.map { [files[$0] ?? ""] } ?? [])
  }
}

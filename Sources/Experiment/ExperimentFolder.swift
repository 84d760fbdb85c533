import Foundation

/// The paths of an experiment's files.
struct ExperimentFolder: Sendable {
  let url: URL

  typealias TaskKind = ExperimentConfiguration.TaskData.Kind

  private func path(_ parts: String...) -> URL { parts.reduce(url) { $0.appendingPathComponent($1) } }

  /// The configuration with every default.
  var configuration: URL { path("experiment.yaml") }
  /// The outcome, for programs.
  var outcome: URL { path("experiment.json") }
  var demonstration: URL { path("demonstration") }
  var headImpact: URL { path("hi.h5") }
  /// Of another prompt, which are counted from 2.
  func headImpact(prompt number: Int) -> URL { path("hi-prompts", "\(number).h5") }
  var ablation: URL { path("ablation.json") }
  var report: URL { path("report") }
  var steps: URL { path("steps") }
  /// The experiment that a new one takes the place of, until that is complete.
  var replaced: URL { path("replaced") }

  /// This folder and all in it but hidden ones.
  var all: [URL] {
    let paths = FileManager.default.enumerator(at: url, includingPropertiesForKeys: [], options: .skipsHiddenFiles)
    return [url] + (paths?.compactMap { $0 as? URL } ?? []).filter(\.hasDirectoryPath)
  }

  func selection(_ arm: Arm) -> URL { path("selections", arm.name + ".json") }
  func adapter(_ task: TaskKind, _ run: ArmRun) -> URL { path("adapters", task.rawValue, run.name) }
  func results(_ task: TaskKind, _ run: ArmRun) -> URL { path("results", task.rawValue, run.name + ".json") }
  func metrics(_ task: TaskKind) -> URL { path("metrics", task.rawValue + ".json") }
  func headImpactAfter(_ task: TaskKind, _ arm: Arm) -> URL { path("hi-after", task.rawValue, arm.name + ".h5") }
}

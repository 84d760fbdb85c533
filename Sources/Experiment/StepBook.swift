import Foundation
import Jobs
import MessagePassing
import Safetensors

/// Which steps of an experiment are done, and what with: a finished step is not repeated, one whose inputs changed is.
///
/// Each step has a record in the folder `steps`: what it depends on as one digest, which holds the digests of the steps before
/// it, and how long it took.
final class StepBook {
  /// What became of a step.
  struct Record: Codable, Sendable {
    let name: String
    /// Of everything that the step depends on.
    let fingerprint: String
    /// nil while the step is under way.
    var seconds: Double?
  }

  private enum State: Int32 {
    case finished
    case begun
    case new
  }

  private let folder: URL
  private let world: Communicator
  private let isQuiet: Bool
  private let total: Int
  private(set) var records: [Record] = []

  /// - Parameter total: steps of the whole experiment, for the progress.
  init(folder: URL, total: Int, isQuiet: Bool, on world: Communicator) {
    self.folder = folder
    self.total = total
    self.isQuiet = isQuiet
    self.world = world
  }

  /// Runs a step where it isn't done yet. Every rank calls it with the same arguments.
  ///
  /// - Parameters:
  ///   - inputs: all that the results depend on: options, digests of files, `after` the steps that came before.
  ///   - outputs: what the step makes; removed first where it was made of other inputs.
  ///   - body: told whether it goes on from where an earlier attempt stopped.
  /// - Returns: the step's fingerprint, for the steps that depend on it.
  @discardableResult
  func step(
    _ name: String, after: [String] = [], inputs: [String], outputs: [URL], _ body: (_ resumes: Bool) throws -> Void
  ) throws -> String {
    let text = ([name, JobDefaults.programVersion] + after + inputs).joined(separator: "\u{0}")
    let fingerprint = try Array(text.utf8).withUnsafeBytes { try SHA256.hex(of: $0) }
    let file = folder.appendingPathComponent(name.replacing("/", with: "-") + ".json")
    let known = try world.agree { world.rank == 0 ? try read(file) : nil }
    let isThere = outputs.allSatisfy { FileManager.default.fileExists(atPath: $0.path) }
    let found: State = known?.fingerprint != fingerprint ? .new : known?.seconds != nil && isThere ? .finished : .begun
    let state = State(rawValue: try world.broadcast(world.rank == 0 ? [found.rawValue] : nil)[0]) ?? .new
    if state == .finished, let known {
      records.append(known)
      say(name, "done before")
      return fingerprint
    }
    if state == .finished { return fingerprint }
    var record = Record(name: name, fingerprint: fingerprint, seconds: nil)
    try world.agree {
      guard world.rank == 0 else { return }
      if state == .new { try remove(outputs) }
      for output in outputs {
        try FileManager.default.createDirectory(
          at: output.deletingLastPathComponent(), withIntermediateDirectories: true)
      }
      try write(record, to: file)
    }
    say(name, state == .begun ? "goes on" : "")
    let start = Date()
    try body(state == .begun)
    record.seconds = Date().timeIntervalSince(start)
    try world.agree {
      guard world.rank == 0 else { return }
      try write(record, to: file)
    }
    records.append(record)
    return fingerprint
  }

  private func say(_ name: String, _ state: String) {
    guard world.rank == 0, !isQuiet else { return }
    let text =
      "[\(records.count + (state == "done before" ? 0 : 1))/\(total)] \(name)\(state.isEmpty ? "" : ": \(state)")\n"
    FileHandle.standardError.write(Data(text.utf8))
  }

  private func read(_ file: URL) throws -> Record? {
    guard FileManager.default.fileExists(atPath: file.path) else { return nil }
    do { return try JSONDecoder().decode(Record.self, from: Data(contentsOf: file)) } catch {
      throw ExperimentError("\(file.path): is no record of a step: remove it, and the step is done anew")
    }
  }

  private func write(_ record: Record, to file: URL) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try encoder.encode(record).write(to: file, options: .atomic)
  }

  /// Outputs, and what jobs keep beside them until they are whole.
  private func remove(_ outputs: [URL]) throws {
    for output in outputs {
      for path in [output.path, output.path + ".journal", output.path + ".training"]
      where FileManager.default.fileExists(atPath: path) {
        try FileManager.default.removeItem(atPath: path)
      }
    }
  }
}

import Foundation
import IO
import Jobs
import MessagePassing
import RunSupport

/// Which steps of an experiment are done, and with which inputs: a finished step is repeated only if its inputs
/// changed.
///
/// Each step has a record in the folder `steps`: what it depends on, by name and as one digest, which holds the digests
/// of the steps before it; the digests of what it made; and how long it took.
final class StepLedger {
  /// The record of a step.
  struct Record: Codable, Sendable {
    let name: String
    /// Everything that the step depends on; nil in a record of an older version.
    let inputs: RunIdentity?
    /// Of the inputs.
    let fingerprint: String
    /// SHA-256 of what the step made, by its path in the experiment's folder; nil while the step is running.
    var outputs: [String: String]?
    /// nil while the step is running.
    var seconds: Double?
  }

  private enum State: Int32 {
    case finished
    case begun
    case new
  }

  private let folder: ExperimentFolder
  /// Of the experiment's folder; on rank 0.
  private let lock: RunLock?
  private let world: Communicator
  private let isQuiet: Bool
  private let total: Int
  private(set) var records: [Record] = []

  /// - Parameter total: steps of the whole experiment, for the progress.
  init(folder: ExperimentFolder, lock: RunLock? = nil, total: Int, isQuiet: Bool, on world: Communicator) {
    self.folder = folder
    self.lock = lock
    self.total = total
    self.isQuiet = isQuiet
    self.world = world
  }

  /// Runs a step unless it is already done. Every rank calls it with the same arguments.
  ///
  /// - Parameters:
  ///   - inputs: all that the results depend on: options, digests of files, fingerprints of the steps that came before.
  ///   - outputs: what the step makes; renamed first if it was made from other inputs.
  ///   - body: receives whether it continues an earlier attempt.
  /// - Returns: the step's fingerprint, for the steps that depend on it.
  /// - Throws: what `body` throws, and `ExperimentError` where a finished output is no longer what the step made.
  @discardableResult
  func step(
    _ name: String, inputs: StepInputs, outputs: [URL], _ body: (_ resumes: Bool) throws -> Void
  ) throws -> String {
    let fingerprint = try inputs.fingerprint()
    let file = folder.steps.appendingPathComponent(name.replacing("/", with: "-") + ".json")
    let known = try world.agree { world.rank == 0 ? try read(file) : nil }
    let isThere = outputs.allSatisfy { FileManager.default.fileExists(atPath: $0.path) }
    let found: State = known?.fingerprint != fingerprint ? .new : known?.seconds != nil && isThere ? .finished : .begun
    let state = State(rawValue: try world.broadcast(world.rank == 0 ? [found.rawValue] : nil)[0]) ?? .new
    if state == .finished {
      try world.agree { if let known { try check(known) } }
      if let known {
        records.append(known)
        say(name, "already done")
      }
      return fingerprint
    }
    var record = Record(
      name: name, inputs: inputs.identity, fingerprint: fingerprint, outputs: nil, seconds: nil)
    say(name, state == .begun ? "continues" : "")
    RunStanding.begin(step: "step \(records.count + 1) of \(total), \(name)")
    try world.agree {
      guard world.rank == 0 else { return }
      if state == .new { try moveAside(outputs, of: known, now: inputs) }
      for output in outputs {
        try FileSystem.makeFolder(output.deletingLastPathComponent())
      }
      try write(record, to: file)
    }
    let start = MonotonicClock.now
    try body(state == .begun)
    record.seconds = MonotonicClock.now - start
    try world.agree {
      guard world.rank == 0 else { return }
      record.outputs = try Dictionary(uniqueKeysWithValues: outputs.map { (path(of: $0), try digest(of: $0)) })
      try write(record, to: file)
    }
    records.append(record)
    return fingerprint
  }

  private func say(_ name: String, _ state: String) {
    guard world.rank == 0, !isQuiet else { return }
    let text =
      "[\(records.count + (state == "already done" ? 0 : 1))/\(total)] \(name)\(state.isEmpty ? "" : ": \(state)")\n"
    StandardError.write(text)
  }

  private func note(_ text: String) {
    if !isQuiet { StandardError.write(text) }
  }

  private func read(_ file: URL) throws -> Record? {
    guard FileManager.default.fileExists(atPath: file.path) else { return nil }
    do { return try JSONDecoder().decode(Record.self, from: Data(InputFile.read(file))) } catch {
      throw ExperimentError("\(file.path): is not a record of a step: remove it, and the step is done again")
    }
  }

  private func write(_ record: Record, to file: URL) throws {
    try lock?.check()
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try FileSystem.makeFolder(file.deletingLastPathComponent())
    try AtomicFile.write(encoder.encode(record), to: file)
  }

  /// Renames outputs of other inputs, and the files that jobs keep beside them: they may have taken days.
  private func moveAside(_ outputs: [URL], of known: Record?, now: StepInputs) throws {
    let files = FileManager.default
    let paths = outputs.flatMap {
      [$0.path, $0.path + ".journal", $0.path + ".training", $0.path + ".run", $0.path + ".lock"]
    }
    // An output may be what a job keeps beside another.
    let there = Set(paths).filter { files.fileExists(atPath: $0) }.sorted()
    guard !there.isEmpty else { return }
    var number = 1
    while paths.contains(where: { files.fileExists(atPath: "\($0).old-\(number)") }) { number += 1 }
    for path in there {
      guard rename(path, "\(path).old-\(number)") == 0 else {
        throw EnvironmentFault(path: path, operation: "renamed", code: errno)
      }
    }
    let reasons = known?.inputs?.differences(from: now.identity) ?? ["an older version did not record its inputs"]
    note(
      "  redone: \(reasons.joined(separator: "; "))\n"
        + there.map { "  kept: \($0).old-\(number)\n" }.joined())
  }

  // MARK: - What was made

  /// - Throws: `ExperimentError` if an output differs from the one that the step made.
  private func check(_ record: Record) throws {
    for (path, digest) in (record.outputs ?? [:]).sorted(by: { $0.key < $1.key }) {
      let url = folder.url.appendingPathComponent(path)
      guard try self.digest(of: url) != digest else { continue }
      throw ExperimentError(
        "\(url.path): is not what the step \(record.name) made (its SHA-256 differs): restore it, or move it away, and the step "
          + "is done again")
    }
  }

  private func path(of output: URL) -> String {
    let own = folder.url.standardizedFileURL.path + "/"
    let full = output.standardizedFileURL.path
    return full.hasPrefix(own) ? String(full.dropFirst(own.count)) : full
  }

  /// Of a file's bytes, or of the names and bytes of all files in a folder.
  private func digest(of url: URL) throws -> String {
    func sha256(_ file: URL) throws -> String {
      try SHA256.hex(ofFile: file)
    }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
      throw ExperimentError("\(url.path): is missing")
    }
    guard isFolder.boolValue else { return try sha256(url) }
    let names = try FileManager.default.subpathsOfDirectory(atPath: url.path).sorted()
    let lines = try names.compactMap { name -> String? in
      let file = url.appendingPathComponent(name)
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: file.path, isDirectory: &isFolder), !isFolder.boolValue else {
        return nil
      }
      return "\(name) \(try sha256(file))\n"
    }
    return try Array(lines.joined().utf8).withUnsafeBytes { try SHA256.hex(of: $0) }
  }
}

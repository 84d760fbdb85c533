import Foundation
import IO
import LowRankAdaptation
import RunSupport
import Safetensors

/// Where a run stands between two steps, beside the adapter itself. Everything random depends on the seed and the step,
/// so no state of a generator is part of it.
struct TrainingState: Sendable {
  /// Steps done.
  var step = 0
  var optimiser: AdamW
  var history = TrainingHistory()
  /// The adapter of the lowest validation loss so far.
  var best: [Float]?
}

/// Checkpoints: a folder each, an ordinary adapter and `state.safetensors`, given its name when it is whole. The one
/// before goes once the next is there.
struct CheckpointFolder {
  private static let prefix = "checkpoint-"
  private static let stateFile = "state.safetensors"
  private static let digestFile = "state.sha256"
  let folder: URL

  /// Makes the adapter's folder of this name, with what the closure adds to it.
  typealias Writer = (_ folder: URL, _ alongside: (URL) throws -> Void) throws -> Void

  /// - Returns: the checkpoint's folder.
  /// - Throws: `JobError`: what the system says, or that the folder holds another run's; the checkpoint before is then
  ///   untouched.
  @discardableResult
  func save(
    _ state: TrainingState, parameters: [Float], identity: RunIdentity, write: Writer
  ) throws -> URL {
    let name = Self.prefix + String(format: "%08d", state.step)
    let place = folder.appendingPathComponent(name)
    do {
      if let other = try names().last.flatMap({ try begun(of: $0) }) {
        try other.requireSame(as: identity, toResume: folder, orRemove: "it")
      }
      try FileSystem.makeFolder(folder)
      try write(place) {
        let file = $0.appendingPathComponent(Self.stateFile)
        try Self.write(state, parameters, identity, to: file)
        try WholeFolder.write(
          Data(try SHA256.hex(ofFile: file).utf8), to: $0.appendingPathComponent(Self.digestFile))
      }
    } catch {
      throw JobError("\(place.path): the checkpoint can't be written: \(error)")
    }
    for other in try names() where other < name { try FileSystem.remove(folder.appendingPathComponent(other)) }
    return place
  }

  /// The last checkpoint's state; nil if there is none.
  ///
  /// - Parameter warn: told about damaged ones, if an earlier one is used.
  /// - Throws: `DamagedCheckpoint` if all are; `JobError` if it is of another run, naming what differs.
  func load(identity: RunIdentity, warn: (String) -> Void = { _ in }) throws -> (
    state: TrainingState, parameters: [Float]
  )? {
    var damaged: [DamagedCheckpoint] = []
    for name in try names().reversed() {
      do {
        let found = try load(name, identity)
        for error in damaged { warn("\(error); the one before is used") }
        return found
      } catch let error as DamagedCheckpoint { damaged.append(error) }
    }
    if let error = damaged.first { throw error }
    return nil
  }

  private func load(_ name: String, _ identity: RunIdentity) throws -> (state: TrainingState, parameters: [Float]) {
    let place = folder.appendingPathComponent(name)
    try checkDigest(of: place)
    let file = try SafetensorsFile(contentsOf: place.appendingPathComponent(Self.stateFile))
    guard let begun = try Self.begun(file), let step = file.metadata["step"].flatMap({ Int($0) }),
      let decay = file.metadata["weight_decay"].flatMap(Double.init)
    else { throw Self.none(place) }
    try begun.requireSame(as: identity, toResume: place, orRemove: folder.path)
    func floats(_ name: String) throws -> [Float] {
      guard let tensor = file.tensors[name], tensor.dtype == .f32 else {
        throw JobError("\(place.path): its state has no \(name)")
      }
      return tensor.withBytes { bytes in
        (0..<tensor.count).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
      }
    }
    let parameters = try floats("parameters")
    let (mean, square) = (try floats("first_moments"), try floats("second_moments"))
    guard mean.count == parameters.count, square.count == parameters.count else {
      throw JobError("\(place.path): its state belongs to another adapter")
    }
    var state = TrainingState(
      step: step, optimiser: AdamW(weightDecay: decay, step: step, firstMoments: mean, secondMoments: square),
      best: file.tensors["best"] == nil ? nil : try floats("best"))
    do {
      state.history = try JSONDecoder().decode(TrainingHistory.self, from: Data((file.metadata["history"] ?? "").utf8))
    } catch {
      throw JobError("\(place.path): its history can't be read: \(error)")
    }
    return (state, parameters)
  }

  /// - Throws: `DamagedCheckpoint` unless the state has the bytes that were written.
  private func checkDigest(of place: URL) throws {
    let file = place.appendingPathComponent(Self.stateFile)
    let digest = place.appendingPathComponent(Self.digestFile)
    do {
      let written = String(decoding: try InputFile.read(digest), as: UTF8.self)
      guard try SHA256.hex(ofFile: file) != written else { return }
    } catch is MissingFile {} catch is FolderForFile {}  // as good as damaged
    throw DamagedCheckpoint(path: file.path)
  }

  /// The run of a checkpoint; nil if the file doesn't say.
  private func begun(of name: String) throws -> RunIdentity? {
    let file = folder.appendingPathComponent(name).appendingPathComponent(Self.stateFile)
    do { return try Self.begun(try SafetensorsFile(contentsOf: file)) } catch is SafetensorsError { return nil }
  }

  /// Whether it has a checkpoint of this run.
  func isOf(_ identity: RunIdentity) -> Bool {
    do { return try names().contains { try begun(of: $0) == identity } } catch { return false }
  }

  private static func begun(_ file: SafetensorsFile) throws -> RunIdentity? {
    try file.metadata["identity"].map { try RunIdentity(decoding: Array($0.utf8)) }
  }

  private static func none(_ place: URL) -> JobError {
    JobError("\(place.path): is not a checkpoint of a training run")
  }

  private static func write(
    _ state: TrainingState, _ parameters: [Float], _ identity: RunIdentity, to url: URL
  ) throws {
    var tensors = [
      ("parameters", parameters), ("first_moments", state.optimiser.firstMoments),
      ("second_moments", state.optimiser.secondMoments),
    ]
    if let best = state.best { tensors.append(("best", best)) }
    try writeSafetensors(
      tensors.map { TensorData(name: $0.0, shape: [$0.1.count], values: $0.1) },
      metadata: [
        "identity": String(decoding: try identity.encode(), as: UTF8.self), "step": "\(state.step)",
        "weight_decay": "\(state.optimiser.weightDecay)",
        "history": String(decoding: try JSONEncoder().encode(state.history), as: UTF8.self),
      ], to: url)
  }

  /// Ascending by step.
  private func names() throws -> [String] {
    guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
    return try FileSystem.names(in: folder).filter { $0.hasPrefix(Self.prefix) }
      .sorted()
  }
}

/// A checkpoint whose bytes aren't those that were written.
struct DamagedCheckpoint: Error, CustomStringConvertible {
  let path: String
  var description: String { "\(path): is damaged: its SHA-256 isn't the one beside it" }
}

extension AdamW {
  /// As it stood after `step` steps.
  init(weightDecay: Double, step: Int, firstMoments: [Float], secondMoments: [Float]) {
    self.init(count: firstMoments.count, weightDecay: weightDecay)
    self.step = step
    self.firstMoments = firstMoments
    self.secondMoments = secondMoments
  }
}

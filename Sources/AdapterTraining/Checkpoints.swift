import Foundation
import IO
import Jobs
import RunSupport

/// When a run's checkpoints are written, and where there is room. Only rank 0 has them: the state is the same on every
/// rank, and so nothing here waits for another.
final class Checkpoints {
  private let folder: CheckpointFolder
  /// Of `--salvage-dir`, for what can't be written to `folder`.
  private let salvage: CheckpointFolder?
  private let identity: RunIdentity
  private let lock: RunLock?
  private let every: Int?
  /// - Units: seconds.
  private let interval: Double
  private let parameters: () -> [Float]
  private let write: CheckpointFolder.Writer
  private let warn: (String) -> Void
  private var last = MonotonicClock.now
  /// The step of the last checkpoint of this run, and where it is.
  private(set) var saved: (step: Int, place: URL)?

  /// - Parameters:
  ///   - lock: of the output; nil if no other run can write to it.
  ///   - parameters: the adapter's, now.
  ///   - write: makes an adapter's folder.
  ///   - warn: told about checkpoints that can't be written.
  /// - Throws: `JobError` if a run that doesn't resume finds a checkpoint.
  init(
    _ configuration: TrainConfiguration, identity: RunIdentity, lock: RunLock?, parameters: @escaping () -> [Float],
    write: @escaping CheckpointFolder.Writer, warn: @escaping (String) -> Void = { Remarks.tell([$0]) }
  ) throws {
    folder = CheckpointFolder(folder: configuration.workFolder)
    salvage = try configuration.salvagedFolder.map(CheckpointFolder.init)
    self.identity = identity
    self.lock = lock
    every = configuration.checkpointEvery
    interval = configuration.checkpointMinutes > 0 ? 60 * configuration.checkpointMinutes : .infinity
    self.parameters = parameters
    self.write = write
    self.warn = warn
    if !configuration.resumes, let salvage {
      try JobInputs.refuseExisting([(salvage.folder.path, "the checkpoint of an interrupted run")])
    }
    for place in [folder, salvage].compactMap({ $0 }) { lock?.removeLeftovers(of: nil, in: place.folder) }
  }

  /// The last checkpoint of the run to resume, wherever it was written; nil if there is none.
  ///
  /// - Throws: `JobError` if it is of another run, naming what differs, or if all are damaged.
  func load() throws -> (state: TrainingState, parameters: [Float])? {
    var found: [(state: TrainingState, parameters: [Float])] = []
    var damaged: [DamagedCheckpoint] = []
    for place in [folder, salvage].compactMap({ $0 }) {
      do {
        if let one = try place.load(identity: identity, warn: warn) { found.append(one) }
      } catch let error as DamagedCheckpoint { damaged.append(error) }
    }
    guard let newest = found.map(\.state.step).max() else {
      if let error = damaged.first { throw JobError("\(error). Remove it, or its folder, to start over") }
      return nil
    }
    for error in damaged { warn("\(error); the one of step \(newest) is used") }
    return found.first { $0.state.step == newest }
  }

  /// Makes sure that the output is still this run's, before each step.
  ///
  /// - Throws: `LockLost`.
  func requireOutput() throws { try lock?.check() }

  /// Whether a checkpoint is to be written after the step that the state is at.
  func isDue(at state: TrainingState) -> Bool {
    if let every, state.step % every == 0 { return true }
    return MonotonicClock.now - last >= interval
  }

  /// Writes a checkpoint: beside the output, or else to `--salvage-dir`. One that can't be written is a warning: the
  /// state is in memory, and the next one may succeed.
  ///
  /// - Returns: whether it is written.
  @discardableResult
  func save(_ state: TrainingState) -> Bool {
    defer { last = MonotonicClock.now }
    guard saved?.step != state.step else { return true }
    do {
      try lock?.check()
      saved = (state.step, try folder.save(state, parameters: parameters(), identity: identity, write: write))
      return true
    } catch {
      // Another run goes on from the checkpoint before.
      guard let lost = error as? LockLost else { return saveElsewhere(state, after: error) }
      return lost.holder == nil && saveElsewhere(state, after: error, isLast: true)
    }
  }

  /// - Parameter isLast: whether the run ends now in any case.
  private func saveElsewhere(_ state: TrainingState, after error: any Error, isLast: Bool = false) -> Bool {
    func warn(_ errors: String, whatToDo: String) {
      let end =
        isLast
        ? "The state after step \(state.step) is lost"
        : "The state after step \(state.step) is in memory only, and the run goes on: \(whatToDo)"
      self.warn("\(errors). \(end)")
    }
    guard let salvage else {
      warn("\(error)", whatToDo: "make room there before it ends")
      return false
    }
    do {
      let place = try salvage.save(state, parameters: parameters(), identity: identity, write: write)
      saved = (state.step, place)
      self.warn("\(error). It is in \(place.path) instead, where --resume with the same --salvage-dir finds it")
      return true
    } catch let second {
      warn("\(error); \(second)", whatToDo: "make room in either folder before it ends")
      return false
    }
  }

  /// The error of a run whose adapter can't be written: it says where the trained state is.
  ///
  /// - Parameter error: why it can't be written.
  func rescue(_ state: TrainingState, from error: any Error) -> any Error {
    if let lost = error as? LockLost, lost.holder != nil { return error }
    if save(state), let saved {
      return JobError(
        "\(error)\nEverything trained is kept in \(saved.place.path): make room or choose a place for it, then give the "
          + "same command with --resume, which only writes the adapter")
    }
    let before = saved.map { "the checkpoint of step \($0.step) is in \($0.place.path)" } ?? "there is no checkpoint"
    return JobError(
      "\(error)\nThe trained state could not be kept either; \(before). Make room, and train again with --resume and a "
        + "--salvage-dir on another file system")
  }

  /// Removes this run's checkpoints: everything in them is in the output. The folder to salvage to isn't locked, and may
  /// have another run's by now, which stay.
  ///
  /// - Throws: `EnvironmentFault`.
  func remove() throws {
    if FileManager.default.fileExists(atPath: folder.folder.path) { try FileSystem.remove(folder.folder) }
    if let salvage, salvage.isOf(identity) { try FileSystem.remove(salvage.folder) }
  }

  // MARK: - Room

  /// The bytes that a run writes: the adapter, and two checkpoints, as the one before goes once the next is there.
  ///
  /// - Parameters:
  ///   - count: parameters of the adapter.
  ///   - hasBest: whether the adapter of the lowest validation loss is kept too.
  static func bytesNeeded(count: Int, hasBest: Bool, steps: Int, keepsCheckpoints: Bool) -> Int {
    let adapter = 4 * count
    let best = hasBest ? adapter : 0
    let text = (1 << 17) + 700 * steps
    let checkpoint = adapter + 3 * adapter + best + text
    return adapter + best + text + (keepsCheckpoints ? 2 * checkpoint : 0)
  }

  /// Refuses a run that has no room for its adapter and checkpoints.
  ///
  /// - Throws: `JobError` naming the folder, what is needed and what is free.
  func requireRoom(bytes: Int, for output: URL) throws {
    let place = output.deletingLastPathComponent()
    guard let free = FileSystem.freeBytes(in: place) else { return }
    // What an earlier run left is replaced.
    let there = free + FileSystem.size(of: folder.folder)
    guard there < bytes else { return }
    let text =
      "\(place.path): has \(Self.text(there)) free; the adapter and its checkpoints need \(Self.text(bytes)) there"
    if let salvage, let free = FileSystem.freeBytes(in: salvage.folder), free >= bytes {
      return warn(text + "; what doesn't fit goes to \(salvage.folder.path)")
    }
    throw JobError(text + ". Make room, or choose another --output")
  }

  private static func text(_ bytes: Int) -> String {
    bytes < 10 << 20 ? "\(bytes >> 10) KiB" : "\(bytes >> 20) MiB"
  }
}

import Foundation
import IO
import MessagePassing
import RunSupport
import Synchronization

/// A stop signal ended the run; what was done is saved.
public struct Interrupted: Interruption, CustomStringConvertible {
  /// What stopped the run, on rank 0.
  private let cause: String?
  private let text: String

  /// - Parameter cause: what stops the run whose standing this process knows.
  init(cause: String) { (self.cause, text) = (cause, "") }

  init(text: String) { (cause, self.text) = (nil, text) }

  /// Where the run stands, as the user reads it: known only when everything is saved.
  public var description: String { cause.map { RunStanding.line($0) } ?? text }
}

/// How far this process's run is: for the line that it ends with if a signal stops it.
public enum RunStanding {
  struct State {
    var step: String?
    var done: (count: Int, total: Int, name: String, kept: Int)?
    /// Whether some of what is kept isn't where the next run finds it, as far as anybody knows.
    ///
    /// False at first, not true: the optimiser of Swift 6.3 fills the rest of a static `Mutex` with zeros behind a property
    /// that is nil, of a structure with a reference.
    var mayLoseSome = false
    var saving: (@Sendable () -> Bool)?
    var releasing: (@Sendable () -> Void)?

    /// Promises nothing that only memory holds.
    func line(_ cause: String) -> String {
      let place = step.map { " in \($0)" } ?? ""
      let next = "the same command with --resume"
      guard let (count, total, name, kept) = done else {
        return "\(cause)\(place)\(place.isEmpty ? " before the work began" : ""); \(next) goes on"
      }
      let progress = "\(cause)\(place): \(count) of \(total) \(name) done"
      if mayLoseSome { return "\(progress), the last of which may not be kept; \(next) goes on" }
      if kept == count { return "\(progress); \(next) goes on" }
      return kept > 0
        ? "\(progress), and \(kept) of them kept; \(next) goes on from there"
        : "\(progress), and none of these \(name) kept; \(next) does them again"
    }
  }

  private static let state = Mutex(State())

  /// - Parameter step: of an experiment; nil elsewhere. What was done of the step before no longer counts.
  public static func begin(step: String?) {
    state.withLock { ($0.step, $0.done, $0.mayLoseSome) = (step, nil, false) }
  }

  /// - Parameters:
  ///   - total: of the whole run, what an earlier run did included.
  ///   - name: "samples", "steps".
  ///   - kept: how many of those done the next run needn't do again; nil for all.
  public static func set(_ done: Int, of total: Int, _ name: String, kept: Int? = nil) {
    state.withLock { $0.done = (done, total, name, kept ?? done) }
  }

  /// What saves the work if the main thread doesn't come to it: called on another thread, before the line is printed.
  /// Tells whether it is saved. nil takes it back.
  public static func set(saving: (@Sendable () -> Bool)?) { state.withLock { $0.saving = saving } }

  /// The same for what may take long or fail: called behind the line.
  public static func set(releasing: (@Sendable () -> Void)?) { state.withLock { $0.releasing = releasing } }

  /// The line: "SIGTERM in step 3 of 9, generate caption/top: 41 of 96 samples done; the same command with --resume goes on".
  ///
  /// - Parameter cause: what stops the run.
  public static func line(_ cause: String) -> String { state.withLock { $0 }.line(cause) }

  static func save() {
    if state.withLock({ $0.saving })?() == false { set(isSaved: false) }
  }

  /// - Parameter isSaved: whether all that was done could be saved.
  static func set(isSaved: Bool) { state.withLock { $0.mayLoseSome = !isSaved } }

  static func release() { state.withLock { $0.releasing }?() }
}

extension Communicator {
  /// `withWorld` for a job that `--resume` continues: a stop signal on any rank ends all of them with `Interrupted`, at
  /// their next look (`attend`), with exit code 75. The job saves what it has while the error passes; only rank 0 does, and
  /// only rank 0 prints a line. The other ranks wait until rank 0 ends them.
  ///
  /// - Parameter silence: as in `withWorld`.
  public static func withStoppableWorld<R>(
    silence: SilenceRules = .standard, _ body: (Communicator) throws -> R
  ) throws -> R {
    let isFirst = launchedRank() == 0
    prepare()
    try StopSignals.install(
      exitCode: TransientFailure.exitCode,
      lastResort: StopSignals.LastResort(
        patience: isFirst ? StopSignals.shortPatience : StopSignals.longestPatience,
        line: {
          guard isFirst else { return nil }
          RunStanding.save()
          return "headimpact: " + RunStanding.line($0.rawValue)
        }, end: RunStanding.release))
    return try withWorld(silence: silence) { world in
      if world.worldSize > 1 { CrashReport.set(place: "rank \(world.rank) on \(world.processorName)") }
      let stops = try StopWatch(world)
      world.onAttend = { try stops.look() }
      defer { world.onAttend = nil }
      return try body(world)
    }
  }
}

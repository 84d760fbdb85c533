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

/// A rank's reaction to stop signals, its own and those of other ranks.
private final class StopWatch {
  private unowned let world: Communicator
  /// Rank 0's process, if it runs on this node.
  private let first: pid_t?
  /// What ends the run, once something does.
  private var end: Interrupted?

  /// Every rank makes one at the same time.
  init(_ world: Communicator) throws {
    self.world = world
    let own = [Int64(getpid())] + world.processorName.utf8.map(Int64.init)
    let firsts = try world.broadcast(world.rank == 0 ? own : nil)
    let first = firsts.dropFirst() == own.dropFirst() ? pid_t(firsts[0]) : nil
    self.first = first
    // Rank 1 speaks if rank 0 was killed before: one that the same signal ends is still there.
    guard world.rank == 1 else { return }
    StopSignals.set(
      StopSignals.LastResort(
        patience: StopSignals.shortPatience / 7,
        line: { first.map(Self.isGone) == true ? "headimpact: " + Self.lineWithoutFirst($0) : nil }))
  }

  func look() throws {
    if let end { throw end }
    if world.rank == 0 {
      guard let cause = try StopSignals.received?.rawValue ?? request() else { return }
      StopSignals.take()
      try throwing(Interrupted(cause: cause)) { try world.announceStop(to: 1) }
    } else {
      guard let signal = StopSignals.received else { return }
      StopSignals.take()
      let line = Self.lineWithoutFirst(signal)
      try throwing(Interrupted(text: line)) {
        try waitForEnd(line, world.requestStop(signal.number))
      }
    }
  }

  /// Ends the run, whatever else goes wrong: other ranks may be gone already.
  private func throwing(_ end: Interrupted, _ body: () throws -> Void) throws {
    self.end = end
    do { try body() } catch { throw end }
    throw end
  }

  /// Another rank's signal, on rank 0.
  private func request() throws -> String? {
    guard let (source, reason) = try world.stopRequest() else { return nil }
    return "\(StopSignal(number: reason)?.rawValue ?? "a signal") to rank \(source)"
  }

  /// How long a rank waits for rank 0 to save what it has and to end all ranks.
  private static let longestSaving = Duration.seconds(600)

  /// Rank 0 ends all ranks. If it was killed, and the launcher ends the others therefore, rank 1 says so.
  ///
  /// On rank 0's host rank 1 sees at once whether it is there. On another host it speaks if rank 0 doesn't answer in the
  /// second that the launcher leaves, and lets it go on saving. Only for that time is MPI called: once rank 0 has ended, Open
  /// MPI's handling of the lost connection may corrupt the heap.
  ///
  /// - Parameter request: the message to rank 0.
  private func waitForEnd(_ line: String, _ request: SendRequest?) throws {
    if world.rank == 1, first.map(Self.isGone) == true { return }
    let start = ContinuousClock.now
    let terminations = StopSignals.terminations
    var isSent = false
    var isAnswered = world.rank > 1 || first != nil
    while ContinuousClock.now - start < Self.longestSaving {
      if ContinuousClock.now - start < .seconds(StopSignals.shortPatience) {
        if !isSent { isSent = try request?.isComplete() ?? true }
        if !isAnswered { isAnswered = try world.stopRequest() != nil }
      } else if !isAnswered, StopSignals.isLaunchersEnd {
        Remarks.tell([line])
        isAnswered = true
      }
      // srun ends the others so, once rank 0 has ended with its line.
      if StopSignals.terminations > terminations { _exit(TransientFailure.exitCode) }
      usleep(10_000)
    }
  }

  private static func isGone(_ process: pid_t) -> Bool { kill(process, 0) != 0 }

  private static func lineWithoutFirst(_ signal: StopSignal) -> String {
    "\(signal.rawValue), and rank 0 has ended or doesn't answer: what it recorded is kept, and the same command with "
      + "--resume goes on"
  }
}

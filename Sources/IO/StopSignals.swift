internal import CSignals
import Foundation
import Synchronization

/// A signal that asks a run to stop: from a user, a batch system or a launcher.
public enum StopSignal: String, Sendable, CaseIterable {
  case hangup = "SIGHUP"
  case interrupt = "SIGINT"
  case terminate = "SIGTERM"
  /// Slurm's warning before a time limit (`--signal=USR1@60`).
  case user = "SIGUSR1"

  public var number: Int32 {
    switch self {
    case .hangup: SIGHUP
    case .interrupt: SIGINT
    case .terminate: SIGTERM
    case .user: SIGUSR1
    }
  }

  public init?(number: Int32) {
    guard let signal = Self.allCases.first(where: { $0.number == number }) else { return nil }
    self = signal
  }
}

/// Stop signals end a run at the next opportunity, instead of at once.
///
/// The main thread looks at `received` now and then, saves what it has, and ends the process. If it doesn't look in time,
/// a thread that waits for the signal ends the process: launchers follow up with SIGKILL. A second SIGINT ends it at once.
public enum StopSignals {
  /// What the waiting thread does if the main thread doesn't look in time.
  public struct LastResort: Sendable {
    /// Time that the main thread has, in seconds.
    public fileprivate(set) var patience: Double
    /// Saves what can be saved, and returns the line to print before the process ends: none if it is empty. nil gives the
    /// main thread another `longestPatience`. May take its time.
    public let line: @Sendable (StopSignal) -> String?
    /// Called when the line is printed, and last.
    public let end: @Sendable () -> Void

    public init(
      patience: Double, line: @escaping @Sendable (StopSignal) -> String?, end: @escaping @Sendable () -> Void = {}
    ) {
      (self.patience, self.line, self.end) = (patience, line, end)
    }
  }

  /// Open MPI sends SIGKILL a second after SIGTERM.
  public static let shortPatience = 0.7
  /// Slurm sends SIGKILL 30 seconds after SIGTERM, by default.
  public static let longestPatience = 25.0

  private static let lastResort = Mutex<LastResort?>(nil)

  /// Replaces the signals' default action, which ends the process. Signals that are ignored, as SIGHUP is under nohup, stay
  /// so.
  ///
  /// Call it from the main thread, before any thread computes: the handler runs on the waiting thread only.
  ///
  /// - Parameter exitCode: of a process that doesn't end by its main thread.
  /// - Throws: `EnvironmentFault` if the system refuses.
  public static func install(exitCode: Int32, lastResort: LastResort) throws {
    let isNew = Self.lastResort.withLock { current in
      defer { current = lastResort }
      return current == nil
    }
    guard isNew else { return }
    let code = headimpact_catch_stop_signals(exitCode)
    guard code == 0 else { throw EnvironmentFault(path: "stop signals", operation: "caught", code: code) }
    Thread.detachNewThread { wait(exitCode: exitCode) }
  }

  /// Changes what happens if the main thread doesn't look in time. Only after `install`.
  public static func set(_ lastResort: LastResort) { Self.lastResort.withLock { $0 = lastResort } }

  /// Changes the time that the main thread has, in seconds: longer while it has much to save.
  public static func set(patience: Double) { lastResort.withLock { $0?.patience = patience } }

  /// The first stop signal that came.
  public static var received: StopSignal? { StopSignal(number: headimpact_stop_signal()) }

  /// How many SIGTERM came.
  public static var terminations: Int { Int(headimpact_terminations()) }

  /// Who started all ranks, and now ends them.
  public enum Ending: Sendable {
    /// An MPI launcher, which sends SIGKILL a second later.
    case launcher
    /// Slurm, which sends SIGKILL after `KillWait`: 30 seconds, or what a site sets.
    case slurm
  }

  /// Who sent the signal to end all ranks; nil if it is to this process, or a warning.
  public static var ending: Ending? {
    // Open MPI and Slurm forward SIGUSR1 from their user, and end ranks with the others.
    guard received != .user, let sender = ProcessStatus(of: headimpact_stop_sender()) else { return nil }
    return sender.isLauncher ? .launcher : sender.isSlurmStep ? .slurm : nil
  }

  /// Runs `body` without blocked stop signals: a process that it starts inherits them.
  public static func unblocked<R>(_ body: () throws -> R) rethrows -> R {
    guard lastResort.withLock({ $0 != nil }) else { return try body() }
    headimpact_take_stop_signals(1)
    defer { headimpact_take_stop_signals(0) }
    return try body()
  }

  /// Tells the waiting thread that the main thread ends the process. Doesn't return if the waiting thread is ending it
  /// already.
  public static func take() {
    guard headimpact_claim_stop(Int32(HEADIMPACT_MAIN.rawValue)) == 0 else { return }
    while true { pause() }
  }

  // MARK: - The waiting thread

  private static func wait(exitCode: Int32) {
    headimpact_wait_for_stop_signal()
    end(exitCode: exitCode)
    // The handler needs this thread for what follows.
    while true { pause() }
  }

  private static func end(exitCode: Int32) {
    guard let signal = received, let first = lastResort.withLock({ $0 }) else { return }
    sleep(min(first.patience, limit))
    // Asked now: the run may be further than it was.
    let line = lastResort.withLock { $0 }?.line(signal)
    if line == nil { sleep(longestPatience) }
    guard headimpact_claim_stop(Int32(HEADIMPACT_WATCHER.rawValue)) == 1 else { return }
    if let line, !line.isEmpty { StandardError.write(line + "\n") }
    lastResort.withLock { $0 }?.end()
    _exit(exitCode)
  }

  private static func sleep(_ seconds: Double) {
    let end = ContinuousClock.now + .seconds(seconds)
    // Signals shorten each sleep.
    while ContinuousClock.now < end { usleep(5000) }
  }

  /// Time until the sender of the signal loses its own patience, in seconds, less a margin.
  private static var limit: Double {
    guard ending == .launcher else { return longestPatience }
    let timeout = ProcessInfo.processInfo.environment["OMPI_MCA_odls_base_sigkill_timeout"].flatMap(Double.init) ?? 1
    return max(0.1, timeout - 1 + shortPatience)
  }
}

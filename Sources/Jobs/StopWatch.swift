import Foundation
import IO
import MessagePassing
import Synchronization

/// A rank's reaction to stop signals, its own and those of other ranks.
final class StopWatch {
  private unowned let world: Communicator
  /// Every rank but 0 is one.
  private let worker: StoppedWorker?
  /// What ends the run, once something does.
  private var end: Interrupted?

  /// Every rank makes one at the same time.
  init(_ world: Communicator) throws {
    self.world = world
    let own = [Int64(getpid())] + world.processorName.utf8.map(Int64.init)
    let firsts = try world.broadcast(world.rank == 0 ? own : nil)
    guard world.rank > 0 else {
      worker = nil
      return
    }
    let worker = StoppedWorker(
      rank: world.rank, host: world.localSize < world.worldSize ? world.processorName : nil,
      isFirstOnNode: world.localRank == 0, first: firsts.dropFirst() == own.dropFirst() ? pid_t(firsts[0]) : nil)
    self.worker = worker
    StopSignals.set(StopSignals.LastResort(patience: StoppedWorker.delay, line: worker.lastLine))
  }

  func look() throws {
    if let end { throw end }
    guard let worker else { return try lookFirst() }
    guard let signal = StopSignals.received else { return }
    worker.isNoticed.store(true, ordering: .relaxed)
    try throwing(Interrupted(text: worker.line(signal))) {
      defer { StopSignals.take() }
      try waitForEnd(worker, world.requestStop(signal.number))
    }
  }

  /// The same on rank 0.
  private func lookFirst() throws {
    guard let cause = try StopSignals.received?.rawValue ?? request() else { return }
    StopSignals.take()
    try throwing(Interrupted(cause: cause)) { try world.announceStop() }
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

  /// Rank 0 ends all ranks, or this one's waiting thread ends it.
  ///
  /// MPI is called only while rank 0 may answer: once it has ended, Open MPI's handling of the lost connection may corrupt
  /// the heap.
  ///
  /// - Parameter request: the message to rank 0.
  private func waitForEnd(_ worker: StoppedWorker, _ request: SendRequest?) throws {
    let start = ContinuousClock.now
    let patience = worker.patience ?? StopSignals.shortPatience
    var isSent = false
    while ContinuousClock.now - start < StoppedWorker.longestSaving {
      if ContinuousClock.now - start < .seconds(patience) {
        if !isSent { isSent = try request?.isComplete() ?? true }
        if !worker.isAnswered.load(ordering: .relaxed), try world.stopRequest() != nil {
          worker.isAnswered.store(true, ordering: .relaxed)
        }
      }
      usleep(10_000)
    }
  }
}

/// How a rank other than 0 ends after a stop signal if rank 0 doesn't end it: from the thread that waits for signals, since
/// the main one may be in a call of MPI that doesn't return.
final class StoppedWorker: Sendable {
  /// Rank 0 has this many seconds to answer before Slurm sends SIGKILL, whose `KillWait` few sites set below 5.
  private static let slurmsPatience = 3.0
  /// Seconds from the signal to `lastLine`.
  static let delay = StopSignals.shortPatience / 7
  /// How long a rank waits for rank 0 to save what it has and to end all ranks.
  static let longestSaving = Duration.seconds(600)
  private static let longestWait = longestSaving + .seconds(10)

  private let rank: Int
  /// This one's, where ranks run on several.
  private let host: String?
  private let isFirstOnNode: Bool
  /// Rank 0's process, if it runs on this node.
  private let first: pid_t?
  /// Whether the main thread has seen the signal.
  let isNoticed = Atomic(false)
  /// Whether rank 0 has said that it ends the run.
  let isAnswered = Atomic(false)

  init(rank: Int, host: String?, isFirstOnNode: Bool, first: pid_t?) {
    (self.rank, self.host, self.isFirstOnNode, self.first) = (rank, host, isFirstOnNode, first)
  }

  /// How many seconds rank 0 has to answer; nil if nobody ends all ranks.
  var patience: Double? {
    switch StopSignals.ending {
    case .launcher: StopSignals.shortPatience - Self.delay
    case .slurm: Self.slurmsPatience
    case nil: nil
    }
  }

  func line(_ signal: StopSignal) -> String {
    "\(signal.rawValue) to rank \(rank)\(host.map { " on \($0)" } ?? ""), and rank 0 has ended or doesn't answer: what it "
      + "recorded is kept, and the same command with --resume goes on"
  }

  /// What the process ends with, as soon as that is clear: the line, or nothing where another rank says it.
  func lastLine(_ signal: StopSignal) -> String {
    let start = ContinuousClock.now
    let terminations = StopSignals.terminations
    let (ending, patience) = (StopSignals.ending, self.patience)
    let line = "headimpact: " + self.line(signal)
    // Killed before: one that the same signal ends is still there, and speaks.
    if rank == 1, isFirstGone { return line }
    // An MPI launcher ends with rank 0's host: who is left is beside rank 1.
    let isSpeaker = first == nil && (rank == 1 || (isFirstOnNode && ending == .slurm))
    // srun ends the others so, once rank 0 has ended with its line.
    while StopSignals.terminations == terminations {
      let time = ContinuousClock.now - start
      if let patience, time >= .seconds(patience) {
        let isAnswered = isAnswered.load(ordering: .relaxed)
        if !isAnswered, first == nil || isFirstGone { return isSpeaker ? line : "" }
        // Rank 0 needs the others no more. Slurm would wait for SIGKILL's time.
        if isAnswered, ending == .slurm { return "" }
      }
      // The main thread, once it knows, waits for rank 0 itself.
      if time >= (isNoticed.load(ordering: .relaxed) ? Self.longestWait : .seconds(2 * StopSignals.longestPatience)) {
        return line
      }
      usleep(10_000)
    }
    return ""
  }

  private var isFirstGone: Bool { first.map { kill($0, 0) != 0 } ?? false }
}

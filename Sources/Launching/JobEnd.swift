/// How a process ended.
public enum ProcessEnd: Sendable, Equatable {
  case exited(Int32)
  /// By a signal of this number.
  case signalled(Int32)
}

/// How one start of the job ended.
public struct JobEnd: Sendable, Equatable {
  /// What a line on standard error says about the end.
  public enum Sign: Sendable, Hashable, CaseIterable {
    /// A rank ends, and the same command would continue the run.
    case interruptedRank
    /// The launcher lost one of its daemons.
    case lostDaemon
    /// The launcher ends the job, since a rank failed.
    case aborted

    var phrases: [String] {
      switch self {
      case .interruptedRank: ["--resume goes on"]
      case .lostDaemon:
        [
          "lost communication with a remote daemon", "daemon has unexpectedly failed after launch",
          "lost connection to daemon",
        ]
      case .aborted:
        [
          "the job has been aborted", "one or more processes exited with non-zero status", "MPI_ABORT was invoked",
          "noticed that process rank",
        ]
      }
    }
  }

  public let process: ProcessEnd
  public let signs: Set<Sign>
  /// Whether the user stopped it by a signal.
  public let isStopped: Bool
  /// Whether `mpirun` had to be killed, since it didn't end by itself.
  public let isKilled: Bool

  public init(_ process: ProcessEnd, signs: Set<Sign> = [], isStopped: Bool = false, isKilled: Bool = false) {
    self.process = process
    self.signs = signs
    self.isStopped = isStopped
    self.isKilled = isKilled
  }

  /// What follows.
  public enum Verdict: Sendable, Equatable {
    case ends(Int32)
    /// The job may be started again. `code` is the exit code if it isn't.
    case restarts(reason: String, code: Int32)
    /// The code says nothing about a lost host: the job is started again only if a host no longer answers.
    case dependsOnHosts(Int32)
  }

  /// The exit code of a run that the same command with `--resume` continues.
  public static let interrupted: Int32 = 75

  public var verdict: Verdict {
    if case .exited(let code) = process, [0, 2, 64].contains(code) { return .ends(code) }
    if isStopped { return .ends(Self.interrupted) }
    if isKilled { return .restarts(reason: "mpirun did not end by itself and was killed", code: Self.interrupted) }
    switch process {
    case .signalled(let signal):
      return .restarts(
        reason: "mpirun was killed by signal \(signal)",
        code: signs.contains(.interruptedRank) ? Self.interrupted : 128 + signal)
    case .exited(Self.interrupted):
      return .restarts(reason: "the job ended with exit code 75, interrupted", code: Self.interrupted)
    case .exited(let code) where signs.contains(.lostDaemon) || code == 205:
      return .restarts(reason: "mpirun lost a host (exit code \(code))", code: Self.interrupted)
    case .exited(let code) where [129, 137, 143].contains(code):
      // A rank that ends may have to kill an mpirun that waits for a host that is gone.
      return .restarts(
        reason: "a rank was killed by signal \(code - 128)",
        code: signs.contains(.interruptedRank) ? Self.interrupted : code)
    case .exited(let code): return .dependsOnHosts(code)
    }
  }
}

/// Finds the signs in what the job writes to standard error, piece by piece.
struct SignScanner {
  private(set) var signs: Set<JobEnd.Sign> = []
  /// The end of what was seen: a phrase may begin there.
  private var tail: [UInt8] = []
  private static let longest = JobEnd.Sign.allCases.flatMap(\.phrases).map(\.utf8.count).max() ?? 0

  mutating func scan(_ bytes: some Sequence<UInt8>) {
    tail += bytes
    let text = String(decoding: tail, as: UTF8.self)
    for sign in JobEnd.Sign.allCases where sign.phrases.contains(where: text.contains) { signs.insert(sign) }
    tail = tail.suffix(Self.longest)
  }
}

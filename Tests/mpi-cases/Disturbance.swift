import Foundation

/// A signal that a rank sends in the midst of its work: "TERM:parent:1" is SIGTERM from rank 1 to the process that started it.
///
/// Receivers: `self`; `parent`, the launcher; `stuck`, the rank itself, which then computes for long without a poll.
final class Disturbance {
  /// Units that the rank computes before.
  private static let after = 4

  private let signal: Int32
  private let receiver: String
  private let rank: Int
  private var isSent = false

  init?(_ text: String) {
    let parts = text.split(separator: ":")
    let signals = ["TERM": SIGTERM, "INT": SIGINT, "USR1": SIGUSR1, "KILL": SIGKILL]
    guard parts.count == 3, let signal = signals[String(parts[0])], let rank = Int(parts[2]) else { return nil }
    (self.signal, receiver, self.rank) = (signal, String(parts[1]), rank)
  }

  /// Called before each unit.
  func act(on rank: Int, computed: Int) {
    // Time for the signal's way through the launcher, which waits a second.
    if computed >= Self.after { usleep(100_000) }
    guard rank == self.rank, computed == Self.after, !isSent else { return }
    isSent = true
    kill(receiver == "parent" ? getppid() : getpid(), signal)
    if receiver == "stuck" { Thread.sleep(forTimeInterval: 10) }
  }
}

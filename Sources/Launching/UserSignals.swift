import Foundation

/// The signals by which a user or a batch system ends a job, taken one by one instead of by a handler.
public struct UserSignals {
  private var set = sigset_t()

  /// Blocks the signals, so that they wait to be taken. Call it before any other thread starts.
  public init() {
    sigemptyset(&set)
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2] where !Self.isIgnored(signal) { sigaddset(&set, signal) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    // A closed standard error must not end launch and leave the job behind.
    signal(SIGPIPE, SIG_IGN)
  }

  /// Waits for the next signal.
  ///
  /// - Returns: its number; nil if none came in time.
  func next(within limit: Duration) -> Int32? {
    let (seconds, attoseconds) = limit.components
    var time = timespec(tv_sec: Int(max(0, seconds)), tv_nsec: Int(max(0, attoseconds) / 1_000_000_000))
    var set = set
    let signal = sigtimedwait(&set, nil, &time)
    return signal > 0 ? signal : nil
  }

  /// As SIGHUP is under nohup.
  private static func isIgnored(_ signal: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(signal, nil, &action) == 0 else { return false }
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }
}

import Foundation

/// Waits between two looks for a message: lets other threads run at first, then sleeps, 50 microseconds and later a
/// sixteenth of what it has waited, up to 5 milliseconds. So a waiting rank leaves its core to ranks that compute, and
/// adds little to any wait.
struct Backoff {
  /// What is usually there within a moment: the others are about to call the same collective.
  static var short: Backoff { Backoff(yielding: 500_000) }
  /// What all ranks are busy with, and moves only while they look.
  static var underWay: Backoff { Backoff(yielding: 1_000_000_000) }

  /// Nanoseconds without a sleep.
  private let yielding: UInt64
  private var start: UInt64?

  init(yielding: UInt64 = 100_000) { self.yielding = yielding }

  mutating func pause() {
    let now = monotonicNanoseconds()
    let waited = now - (start ?? now)
    start = now - waited
    guard waited >= yielding else {
      sched_yield()
      return
    }
    var time = timespec(tv_sec: 0, tv_nsec: Int(min(5_000_000, max(50_000, waited / 16))))
    nanosleep(&time, nil)
  }

  mutating func reset() { start = nil }
}

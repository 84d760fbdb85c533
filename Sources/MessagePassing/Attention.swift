import Foundation

/// When this rank last looked after what isn't its computation.
struct Attention {
  /// Nanoseconds between two looks.
  private static let interval: UInt64 = 1_000_000
  private var next: UInt64 = 0
  var isAttending = false

  /// Whether it is time to look again.
  mutating func isDue() -> Bool {
    let now = monotonicNanoseconds()
    guard now >= next, !isAttending else { return false }
    next = now + Self.interval
    return true
  }
}

/// Nanoseconds of a clock that nobody sets, and that stands still while the machine sleeps.
func monotonicNanoseconds() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

extension Communicator {
  /// Looks after what isn't this rank's computation: signs of life of the other ranks, and `onAttend`. To be called often
  /// by everything that computes or waits for long; more often than once a millisecond it costs some 30 nanoseconds.
  ///
  /// A rank that doesn't call it, or anything here that waits, for `SilenceRules.limit` ends the job.
  /// - Throws: what `onAttend` throws; `SilentRank` if another rank is silent for too long. Either must end the job.
  public func attend() throws { _ = try attendIfDue() }

  /// The same for a poll that costs more than a look at the clock.
  ///
  /// - Returns: whether the last time is a millisecond ago.
  func attendIfDue() throws -> Bool {
    guard attention.isDue() else { return false }
    attention.isAttending = true
    defer { attention.isAttending = false }
    try onAttend?()
    try lifeSigns?.look(self)
    return true
  }
}

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
  /// Looks after what isn't this rank's computation: calls `onAttend`. To be called often, by everything that computes or
  /// waits for long: more often than once a millisecond it costs some 30 nanoseconds.
  ///
  /// - Throws: what `onAttend` throws.
  public func attend() throws {
    guard attention.isDue() else { return }
    attention.isAttending = true
    defer { attention.isAttending = false }
    try onAttend?()
  }
}

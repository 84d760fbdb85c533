import Foundation

/// Waits between two polls for a message: yields at first, then sleeps, 50 microseconds growing to 1 millisecond, so
/// that a waiting rank leaves its core to ranks that compute.
struct Backoff {
  private var looks = 0
  private var nanoseconds = 50_000

  mutating func pause() {
    looks += 1
    guard looks > 20 else {
      sched_yield()
      return
    }
    var time = timespec(tv_sec: 0, tv_nsec: nanoseconds)
    nanosleep(&time, nil)
    nanoseconds = min(1_000_000, nanoseconds * 3 / 2)
  }

  mutating func reset() { self = Backoff() }
}

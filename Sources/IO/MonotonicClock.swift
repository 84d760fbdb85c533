import Foundation

/// Time that only goes forward, whatever is done to the system's clock; it also runs while the machine sleeps.
public enum MonotonicClock {
  /// - Returns: seconds since some moment in the past, the same one for the whole process.
  public static var now: Double {
    var time = timespec()
    // A system without the clock that includes sleep has the one without.
    if clock_gettime(CLOCK_BOOTTIME, &time) != 0 { clock_gettime(CLOCK_MONOTONIC, &time) }
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}

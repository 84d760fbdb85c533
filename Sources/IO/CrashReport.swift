internal import CSignals
import Foundation

/// A process that reads what isn't there (SIGBUS, SIGSEGV) ends with one line on standard error, at once.
///
/// A mapped file that was shortened is named, and the exit code is 1. Every other crash is a mistake of this program, and
/// the process ends by the signal. Swift's own handler would print a backtrace of every thread, and then repeat the read:
/// if the file is back by then, the computation would go on with other bytes.
public enum CrashReport {
  /// With this variable in the environment, Swift's backtrace follows the line.
  public static let backtraceVariable = "HEADIMPACT_BACKTRACE"

  /// Call it once, from the main thread.
  public static func install(environment: [String: String] = ProcessInfo.processInfo.environment) {
    let value = environment[backtraceVariable] ?? ""
    headimpact_report_crashes(value.isEmpty || value == "0" ? 0 : 1)
  }

  /// - Parameter place: of this process among others, for the line: "rank 2 on node1".
  public static func set(place: String) { headimpact_set_crash_prefix("\(place): ") }
}

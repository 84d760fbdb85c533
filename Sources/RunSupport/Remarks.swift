import Foundation
import IO

/// Sentences that the user should read even with `--quiet`.
public enum Remarks {
  /// Writes each on a line of standard error.
  public static func tell(_ remarks: [String]) {
    for remark in remarks { StandardError.write("headimpact: \(remark)\n") }
  }

  /// Reports at the end of a run what it skipped.
  ///
  /// - Parameter allowed: the share of the samples that may be skipped.
  public static func tell(_ skips: SkipCounts, allowed: Double) {
    if let report = skips.report(allowed: allowed) { tell([report]) }
  }
}

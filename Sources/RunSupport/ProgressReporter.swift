import Foundation
import IO

/// Reports the progress of a run on standard error: one line that updates itself on a terminal, otherwise a line at
/// intervals.
public final class ProgressReporter {
  private let total: Int
  private let ranks: Int
  private let isQuiet: Bool
  private let isTerminal: Bool
  private let start = MonotonicClock.now
  private var last = -Double.infinity
  private var done = 0
  private var begun = 0
  private var hasLine = false

  /// - Parameters:
  ///   - total: samples of the whole run.
  ///   - begun: those that an earlier run has done.
  public init(total: Int, begun: Int, ranks: Int, isQuiet: Bool) {
    self.total = total
    self.begun = begun
    self.ranks = ranks
    self.isQuiet = isQuiet
    isTerminal = isatty(STDERR_FILENO) == 1
    done = begun
  }

  /// More samples are done.
  public func advance(by samples: Int) {
    done += samples
    let now = MonotonicClock.now
    guard !isQuiet, done == total || now - last >= (isTerminal ? 0.2 : 15) else { return }
    last = now
    show(line(at: now))
  }

  /// Prints a message that the user should see even with `--quiet`.
  public func warn(_ text: String) {
    clear()
    Self.write("headimpact: \(text)\n")
  }

  /// Prints a message that `--quiet` suppresses.
  public func note(_ text: String) {
    guard !isQuiet else { return }
    clear()
    Self.write(text + "\n")
  }

  /// Leaves the cursor on a line of its own.
  public func finish() {
    if hasLine { Self.write("\n") }
    hasLine = false
  }

  private func line(at now: Double) -> String {
    let seconds = now - start
    let fresh = done - begun
    var text = "\(done)/\(counted(total, "sample"))"
    if fresh > 0, seconds > 0 {
      let rate = Double(fresh) / seconds
      text += String(format: ", %.2f samples/s", rate)
      if done < total { text += ", \(Self.duration(Double(total - done) / rate)) left" }
    }
    return text + ", \(counted(ranks, "rank"))"
  }

  private func show(_ line: String) {
    if isTerminal {
      Self.write("\r\u{1B}[K" + line)
      hasLine = true
    } else {
      Self.write(line + "\n")
    }
  }

  private func clear() {
    if hasLine { Self.write("\r\u{1B}[K") }
    hasLine = false
  }

  private static func write(_ text: String) { StandardError.write(text) }

  /// "3 h 20 min", "4 min 5 s", "12 s".
  public static func duration(_ seconds: Double) -> String {
    let whole = Int(min(max(seconds, 0), 1e9).rounded())
    if whole >= 3600 { return "\(whole / 3600) h \(whole % 3600 / 60) min" }
    if whole >= 60 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole) s"
  }
}

import Foundation
import IO

/// Decides whether a lock of another run is in use or left behind.
struct LockWatch {
  let url: URL
  let output: URL
  let resumes: Bool
  let patience: Double
  /// Whether a lock was taken away.
  private(set) var hasTaken = false

  private let begun = MonotonicClock.now
  private var last: LockSight?
  /// Since when the lock looks as it does.
  private var since = MonotonicClock.now
  /// How often it was touched or changed since the first look.
  private var changes = 0
  private var hasTold = false

  init(url: URL, output: URL, resumes: Bool, patience: Double) {
    (self.url, self.output, self.resumes, self.patience) = (url, output, resumes, patience)
  }

  /// Takes the lock away if it is left behind.
  ///
  /// - Returns: how long to wait until the next look, at most; 0: try again at once.
  /// - Throws: `JobError` if the lock is in use.
  mutating func look(at sight: LockSight, serverTime: Double, tell: (String) -> Void) throws -> Double {
    let now = MonotonicClock.now
    if sight != last {
      if last != nil { changes += 1 }
      (last, since) = (sight, now)
    }
    switch sight.holder?.process.isGone() {
    case true?:
      try takeAway(sight)
      return 0
    case false?:
      // Its process may be ending.
      guard resumes, now - begun < patience else { throw inUse(sight) }
      return 0.2
    case nil:
      let age = serverTime - sight.renewed
      let watched = now - since
      // Where the server's clock was set back, watching alone decides.
      let silence = Self.silence(of: sight)
      let left = min(max(silence - age, Self.watch * silence - watched), silence - watched)
      if left <= 0 {
        try takeAway(sight)
        return 0
      }
      if changes >= 2 || !resumes && age < silence { throw inUse(sight) }
      if !hasTold {
        tell(
          "waits for \(output.lastPathComponent), held by \(Self.text(sight.holder)); taken over if it stays silent for "
            + "\(Int(left.rounded(.up))) s more")
      }
      hasTold = true
      return left
    }
  }

  private mutating func takeAway(_ sight: LockSight) throws {
    if try LockCandidate.takeAway(sight, at: url) { hasTaken = true }
  }

  /// The share of its silence that a lock is watched in any case: a little more than its run takes between two touches.
  private static let watch = 1.25 / 6

  private static func silence(of sight: LockSight) -> Double {
    min(max(0.1, sight.holder?.silence ?? RunLock.Limits().silence), 3600)
  }

  private static func text(_ holder: LockHolder?) -> String { holder?.text ?? "a run that its lock doesn't name" }

  private func inUse(_ sight: LockSight) -> JobError {
    JobError(
      "\(output.path): another run is writing to it (\(Self.text(sight.holder))). Wait for it, or choose another --output. "
        + "If that run is gone, --resume takes its lock over: at once on the same machine, else "
        + "\(Int(Self.silence(of: sight))) s after it was last touched (\(url.lastPathComponent))"
        + (sight.holder.map { "\nIts command: \($0.command)" } ?? ""))
  }
}

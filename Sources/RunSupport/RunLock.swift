import Foundation
import IO

/// The lock that a run holds on its output, on any file system: a file `OUTPUT.lock` that is made exclusively, tells
/// whose it is, and is touched every few seconds while the run lives.
///
/// A lock is left behind if its process is gone, as seen on its own machine; and as seen on another one, if it wasn't
/// touched for as long as it says itself by the file server's clock, and isn't touched while it is watched. `flock` would need
/// neither rule, but Lustre and NFS may not have it.
///
/// Invariant of `@unchecked Sendable`: `mutex` guards everything that changes.
public final class RunLock: @unchecked Sendable {
  /// - Units: seconds.
  public struct Limits: Sendable {
    /// How long this run's lock must be untouched to be left behind, where nothing else tells. The lock says so itself.
    public var silence = 120.0
    /// How long `--resume` waits for a process of this machine, which may be ending.
    public var patience = 2.0

    public init() {}

    /// Those of HEADIMPACT_LOCK_SILENCE.
    ///
    /// - Throws: `JobError` if it isn't a number of seconds in 6...3600.
    public init(environment: [String: String]) throws {
      guard let text = environment["HEADIMPACT_LOCK_SILENCE"] else { return }
      guard let seconds = Double(text), (6...3600).contains(seconds) else {
        throw JobError("HEADIMPACT_LOCK_SILENCE is \(text); it must be a number of seconds in 6...3600")
      }
      silence = seconds
    }

    /// Between two touches.
    var renewal: Double { silence / 6 }
  }

  /// The lock's file.
  public let url: URL
  private let output: URL
  private let bytes: [UInt8]
  private let limits: Limits
  private let mutex = NSLock()
  private var lost: LockLost?
  private var isReleased = false
  private var lastLook = MonotonicClock.now
  private var lastRenewal = MonotonicClock.now
  private var isMissing = false
  /// The file server's time when the lock was taken, in seconds.
  private let serverTime: Double

  /// The lock's file of an output.
  public static func url(of output: URL) -> URL {
    output.deletingLastPathComponent().appendingPathComponent(output.lastPathComponent + ".lock")
  }

  /// Takes the lock of an output, and keeps it until `release()`.
  ///
  /// - Parameters:
  ///   - resumes: waits for a lock that may be left behind; a lock that is in use is an error in any case.
  ///   - tell: told once for whom it waits.
  ///   - wait: called about once a second while it waits.
  /// - Throws: `JobError` naming the run that holds it; `EnvironmentFault` if the file can't be made; what `wait` throws.
  public init(
    for output: URL, resumes: Bool, limits: Limits? = nil, tell: (String) -> Void = { Remarks.tell([$0]) },
    wait: () throws -> Void = {}
  ) throws {
    url = Self.url(of: output)
    self.output = output
    let limits = try limits ?? Limits(environment: ProcessInfo.processInfo.environment)
    self.limits = limits
    let candidate = try LockCandidate(.current(silence: limits.silence), for: url)
    bytes = candidate.bytes
    defer { candidate.remove() }
    var watch = LockWatch(url: url, output: output, resumes: resumes, patience: limits.patience)
    var invisible = 0
    while true {
      if try candidate.claim() {
        // A run that judged the last lock at the same moment may just be taking this one away, and gives it back.
        if watch.hasTaken { usleep(200_000) }
        if try LockSight(url)?.bytes == bytes { break }
        continue
      }
      guard let sight = try LockSight(url) else {
        // Another run has given it back just now; or the name is a link to nothing.
        invisible += 1
        guard invisible < 100 else { throw EnvironmentFault(path: url.path, operation: "made", code: EEXIST) }
        usleep(10_000)
        try wait()
        continue
      }
      let pause = try watch.look(at: sight, serverTime: candidate.serverTime(), tell: tell)
      guard pause > 0 else { continue }
      usleep(UInt32(min(1, pause) * 1e6))
      try wait()
    }
    serverTime = try candidate.serverTime()
    keep()
  }

  /// Takes away what killed runs left under temporary names: the holder of the lock is the only one that writes the
  /// output.
  ///
  /// - Parameter names: the final names; nil for all in the folder.
  public func removeLeftovers(of names: Set<String>?, in folder: URL) {
    TemporaryName.removeLeftovers(of: names, in: folder, now: serverTime, silence: limits.silence)
  }

  // MARK: - While it is held

  /// Makes sure that the lock is still this run's; to be called before anything is written. Touches it if that is due.
  ///
  /// - Throws: `LockLost`.
  public func check() throws {
    try mutex.withLock {
      if let lost { throw lost }
      guard !isReleased, MonotonicClock.now - lastLook >= min(1, limits.renewal / 4) else { return }
      look()
      if isMissing { retry() }
      if let lost { throw lost }
    }
  }

  /// The lock has no name for a moment while another run gives it back.
  private func retry() {
    for _ in 0..<5 where isMissing {
      usleep(UInt32(min(0.2, limits.renewal / 4) * 1e6))
      look()
    }
    if isMissing { lost = LockLost(url: url, output: output, holder: nil) }
  }

  /// Looks whose the lock is. A file server that doesn't answer decides nothing.
  private func look() {
    let now = MonotonicClock.now
    lastLook = now
    let sight: LockSight?
    do { sight = try LockSight(url) } catch { return }
    isMissing = sight == nil
    guard let sight else { return }
    guard sight.bytes == bytes else {
      lost = LockLost(url: url, output: output, holder: sight.holder)
      return
    }
    guard now - lastRenewal >= limits.renewal * 0.9 else { return }
    // The server's time; by name, as the file under this name was this run's just now.
    if utimensat(AT_FDCWD, url.path, nil, 0) == 0 { lastRenewal = now }
  }

  /// Gives the lock back. Whatever fails here, the lock counts as left behind soon.
  public func release() {
    mutex.withLock {
      guard !isReleased else { return }
      isReleased = true
      guard lost == nil else { return }
      look()
      if lost == nil, !isMissing { unlink(url.path) }
    }
  }

  // MARK: - The thread that touches it

  /// Starts a thread that touches the lock while the run computes. If none can be started, `check()` does it alone.
  private func keep() {
    _ = SideThread { [self] in
      while renew() { usleep(UInt32(min(1, limits.renewal / 4) * 1e6)) }
    }
  }

  /// - Returns: false once there is nothing to renew any more.
  private func renew() -> Bool {
    mutex.withLock {
      guard !isReleased, lost == nil else { return false }
      guard MonotonicClock.now - lastRenewal >= limits.renewal else { return true }
      look()
      if isMissing { retry() }
      return lost == nil
    }
  }
}

/// A run that lost its lock: it must write nothing more.
public struct LockLost: Error, CustomStringConvertible {
  let url: URL
  let output: URL
  /// The run that has it now; nil if nobody has.
  public let holder: LockHolder?

  public var description: String {
    if let holder {
      return
        "\(url.path): another run has taken this run's lock over (\(holder.text)); this run was silent for too long, "
        + "or cut off from its files. It stops, and that one goes on"
    }
    let folder = url.deletingLastPathComponent()
    guard FileManager.default.fileExists(atPath: folder.path) else {
      return "\(folder.path): was removed or renamed while this run was writing \(output.lastPathComponent) to it"
    }
    return
      "\(url.path): was removed while this run was writing to \(output.lastPathComponent), or its folder was replaced; "
      + "this run stops, since another one may begin"
  }
}

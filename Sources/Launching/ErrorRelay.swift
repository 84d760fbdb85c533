import Foundation
import IO
import Synchronization

/// Copies what the job writes to standard error to our own, and looks for signs of its end.
final class ErrorRelay: Sendable {
  private struct State {
    var scanner = SignScanner()
    /// When somebody first said that the job ends.
    var sinceEnding: ContinuousClock.Instant?
    var isOpen = true
  }

  /// For the job to write to.
  let writeEnd: Int32
  private let readEnd: Int32
  private let state = Mutex(State())

  /// - Throws: `LaunchError` if no pipe can be made.
  init() throws {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw LaunchError("a pipe can't be made: \(String(cString: strerror(errno)))") }
    (readEnd, writeEnd) = (ends[0], ends[1])
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  }

  /// Starts copying; call it once the job has its end of the pipe.
  func start() {
    close(writeEnd)
    let thread = Thread { self.copy() }
    thread.name = "standard error"
    thread.start()
  }

  var signs: Set<JobEnd.Sign> { state.withLock { $0.scanner.signs } }

  /// How long ago a rank or `mpirun` said that the job ends.
  var timeSinceEnding: Duration? { state.withLock { $0.sinceEnding.map { ContinuousClock.now - $0 } } }

  /// Waits for the last words, but not for a process that outlives `mpirun` and keeps the pipe open.
  func finish(within limit: Duration) {
    let end = ContinuousClock.now + limit
    while state.withLock({ $0.isOpen }), ContinuousClock.now < end { usleep(10_000) }
  }

  private func copy() {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(readEnd, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { break }
      StandardError.write(Array(buffer[..<count]))
      state.withLock { state in
        state.scanner.scan(buffer[..<count])
        if state.sinceEnding == nil, !state.scanner.signs.isEmpty { state.sinceEnding = ContinuousClock.now }
      }
    }
    close(readEnd)
    state.withLock { $0.isOpen = false }
  }
}

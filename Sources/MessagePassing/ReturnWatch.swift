import Foundation
import IO

/// Ends the process if MPI's start or end doesn't return in time: `MPI_Init` and `MPI_Finalize` wait for every rank, for
/// ever, and without a look at anything.
final class ReturnWatch {
  private var timer: DispatchSourceTimer?

  /// - Parameters:
  ///   - call: the function of MPI.
  ///   - limit: in seconds; nil for never.
  ///   - rank: according to the launcher, or to MPI.
  ///   - host: this one's name, where ranks run on several.
  init(_ call: String, limit: Double?, rank: Int, host: String? = nil) {
    // One that is made and never activated crashes when it goes.
    guard let limit else { return }
    let timer = DispatchSource.makeTimerSource(queue: .global())
    timer.setEventHandler { Self.end(call, after: Int(limit), rank: rank, host: host) }
    timer.schedule(deadline: .now() + limit)
    timer.activate()
    self.timer = timer
  }

  func end() { timer?.cancel() }

  private static func end(_ call: String, after seconds: Int, rank: Int, host: String?) -> Never {
    let place = host.map { " on \($0)" } ?? ""
    let others = Communicator.otherRanksHere()
    let stopped = others.filter(\.value.isStopped).keys.sorted()
    // Who knows most speaks first, and the launcher ends the others: the first rank beside one that is stopped; rank 0;
    // another one where rank 0 is what is missing.
    let isFirst = !others.contains { $0.key < rank && !$0.value.isStopped }
    sleep(stopped.isEmpty ? (rank == 0 ? 4 : 8) : (isFirst ? 0 : 3))
    let reason =
      stopped.isEmpty
      ? "rank \(rank)\(place): \(call) has not returned for \(seconds) s: a rank is stopped, or a host can't be reached"
      : stopped.map { "rank \($0)\(place) has not answered for \(seconds) s: it is stopped, and \(call) waits for it" }
        .joined(separator: "\n")
    Communicator.say("\(reason). The same command with --resume goes on (--silence-limit sets how long to wait)\n")
    Communicator.endLauncher(after: 20)
    _exit(TransientFailure.exitCode)
  }
}

import Foundation

/// Ends the process if MPI doesn't start in time: `MPI_Init` waits for every rank, for ever, and without a look at anything.
final class StartWatch {
  private let timer: DispatchSourceTimer

  /// - Parameters:
  ///   - limit: in seconds; nil for never.
  ///   - rank: according to the launcher.
  init(_ limit: Double?, rank: Int) {
    timer = DispatchSource.makeTimerSource(queue: .global())
    guard let limit else { return }
    timer.setEventHandler {
      // Rank 0 speaks; another one where that is what didn't start.
      if rank > 0 { sleep(5) }
      Communicator.say(
        "rank \(rank): MPI_Init has not returned for \(Int(limit)) s: a rank or a host doesn't start, or can't be reached. "
          + "The same command with --resume goes on\n")
      Communicator.endLauncher(after: 20)
      _exit(TransientFailure.exitCode)
    }
    timer.schedule(deadline: .now() + limit)
    timer.activate()
  }

  func end() { timer.cancel() }
}

import Foundation
import IO

/// Runs `mpirun` once: passes signals on, and ends it if it doesn't end by itself.
struct Supervisor {
  /// How long things may take.
  struct Limits {
    /// From the word that the job ends to the end of `mpirun`, which may wait for a host that is gone.
    var ending = Duration.seconds(30)
    /// From SIGTERM or SIGINT to harder means. Slurm and Kubernetes kill what is left after 30 s.
    var stop = Duration.seconds(22)
    /// From there to SIGKILL.
    var kill = Duration.seconds(5)
  }

  let flavor: MPIFlavor
  let signals: UserSignals
  var limits = Limits()

  /// - Throws: `LaunchError` if the command can't be started.
  func run(_ words: [String]) throws -> JobEnd {
    let relay = try ErrorRelay()
    let job = try ChildProcess(words, standardError: relay.writeEnd)
    relay.start()
    var stop = Stop()
    var isKilled = false
    while true {
      let signal = signals.next(within: .milliseconds(100))
      if let end = job.poll() {
        relay.finish(within: .seconds(2))
        return JobEnd(
          end, signs: relay.signs, isStopped: stop.isAsked || signal != nil, isKilled: isKilled && !stop.isAsked)
      }
      if let signal { pass(signal, to: job, &stop) }
      if let deadline = stop.deadline, ContinuousClock.now > deadline { harden(job, &stop) }
      if !isKilled, !stop.isAsked, let time = relay.timeSinceEnding, time > limits.ending {
        say("the job ended \(limits.ending.components.seconds) s ago, and mpirun still waits: it is killed")
        isKilled = true
        job.killTree()
      }
    }
  }

  /// What was done about a user's signal.
  private struct Stop {
    var isAsked = false
    var deadline: ContinuousClock.Instant?
    var isTerminated = false
  }

  /// Passes a signal on.
  ///
  /// Open MPI ends all ranks at SIGTERM and SIGINT, and kills them a second later; it only forwards SIGUSR1, at which
  /// they finish what must be finished. So the first SIGTERM or SIGINT becomes a SIGUSR1.
  private func pass(_ signal: Int32, to job: ChildProcess, _ stop: inout Stop) {
    let isSecond = stop.deadline != nil
    stop.isAsked = true
    switch signal {
    // SIGUSR2 would be passed on too, and kill the ranks.
    case SIGUSR1, SIGUSR2: job.signal(SIGUSR1)
    case _ where isSecond: harden(job, &stop)
    default:
      job.signal(flavor.isOpenMPI ? SIGUSR1 : signal)
      stop.deadline = ContinuousClock.now + limits.stop
    }
  }

  /// SIGTERM, then SIGKILL.
  private func harden(_ job: ChildProcess, _ stop: inout Stop) {
    if stop.isTerminated {
      job.killTree()
      stop.deadline = ContinuousClock.now + .seconds(3600)
    } else {
      job.signal(SIGTERM)
      stop.isTerminated = true
      stop.deadline = ContinuousClock.now + limits.kill
    }
  }
}

/// One line about the job.
func say(_ text: String) { StandardError.write("launch: \(text)\n") }

import ArgumentParser
import Foundation
import IO
import MessagePassing
import RunSupport
import Scoring

@main
struct HeadImpactCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "headimpact",
    abstract: "Find which attention heads of a vision-language model look at the object being described.",
    discussion: """
      score, gather, train, generate, ablate, ground and experiment run under mpirun -np N (or launch, which survives lost hosts), or alone \
      as one rank. Progress goes to standard \
      error, results to standard output or to files. Exit codes: 0 success, 1 failure, 2 success, but more samples were \
      skipped than --allow-skips allows, 64 wrong usage, 75 interrupted: the same command with --resume goes on.
      """,
    version: JobDefaults.programVersion,
    subcommands: [
      Score.self, Gather.self, Select.self, Train.self, Merge.self, Generate.self, Evaluate.self, Dataset.self,
      ExperimentCommand.self,
      Report.self, Compare.self, Attend.self,
      Ablate.self, Ground.self, Launch.self, Doctor.self, Demo.self,
    ])

  /// Like ArgumentParser's own, except that only one rank of a run prints the message.
  static func main() {
    CrashReport.install()
    do {
      let words = try TypedOptions.expanded(Array(CommandLine.arguments.dropFirst()))
      if let verb = configuration.subcommands.first(where: { $0._commandName == words.first }) {
        try TypedOptions.answerOthers(words, of: verb)
      }
      var command = try parseAsRoot(words)
      try ProcessShare.requireAddressSpace()
      try command.run()
    } catch {
      if TransientFailure.exitCode(for: error) != 1 {
        StandardError.write("headimpact: \(error)\n")
        Foundation.exit(TransientFailure.exitCode)
      }
      if Communicator.launchedRank() > 0 { Foundation.exit(exitCode(for: error).rawValue) }
      exit(withError: error)
    }
  }
}

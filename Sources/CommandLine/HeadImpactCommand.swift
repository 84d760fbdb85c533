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

  /// Ends with what is wrong about a verb's options.
  private static func refuse(
    _ wrong: ValidationError, _ type: any ParsableCommand.Type, _ verb: String
  ) -> Never {
    if Communicator.launchedRank() == 0 {
      let usage = usageString(for: type).replacing("\n", with: "\n       ")
      StandardError.write(
        "Error: \(wrong.message)\nUsage: \(usage)\n  See 'headimpact \(verb) --help' for more information.\n")
    }
    Foundation.exit(ExitCode.validationFailure.rawValue)
  }

  /// Like ArgumentParser's own, except that only one rank of a run prints the message.
  static func main() {
    CrashReport.install()
    do {
      let words = try TypedOptions.expanded(Array(CommandLine.arguments.dropFirst()))
      let verb = TypedOptions.command(words, of: Self.self)
      if let verb {
        do {
          try TypedOptions.answerOthers(words, of: verb.type)
          if !words.contains("--help"), !words.contains("-h") { try TypedOptions.requireKnown(words, of: verb.type) }
          try TypedOptions.requirePaths(words, of: verb.type)
        } catch let wrong as ValidationError { refuse(wrong, verb.type, verb.name) }
      }
      var command = try parseAsRoot(verb.map { TypedOptions.withNegatives(words, of: $0.type) } ?? words)
      try ProcessShare.requireAddressSpace()
      do {
        try TypedOptions.requireCounted(words, by: command)
        try command.run()
      } catch let wrong as ValidationError {
        // ArgumentParser would tell the usage of the whole program.
        guard let verb else { throw wrong }
        refuse(wrong, verb.type, verb.name)
      }
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

import ArgumentParser
import Experiment
import Figures
import Foundation
import IO
import Jobs
import MessagePassing

struct ExperimentCommand: ParsableCommand, DependentOptions {
  static let configuration = CommandConfiguration(
    commandName: "experiment",
    abstract: "Run the whole protocol from one YAML file: score, select, train every arm, generate, evaluate, report.",
    discussion: """
      mpirun -np 2 headimpact experiment experiments/demo.yaml

      Everything goes to one folder: experiment.yaml (with every default), hi.h5, selections, adapters, results, metrics, \
      experiment.json, report/index.html. With --resume, finished steps are repeated only if their inputs changed; the \
      old outputs are then kept as NAME.old-1. With --overwrite, all is done anew; the old experiment is in OUTPUT/replaced \
      until the new one is complete.
      """)

  @Argument(help: "The experiment's YAML file.")
  var file: String
  @Option(help: ArgumentHelp("The output folder (default: the file's own output).", valueName: "dir"))
  var output: String?
  @Flag(help: "Print the configuration with every default, and stop.")
  var check = false
  @Flag(help: "Continue in the folder of an earlier run.")
  var resume = false
  @OptionGroup var replacing: OverwriteOption
  @Flag(help: "With --resume, keep the intact records of a step's damaged journal and redo the others.")
  var salvage = false
  @OptionGroup var waiting: SilenceOption
  @OptionGroup var printing: PrintOptions

  func validate() throws {
    guard !file.isEmpty else { throw ValidationError("The path of the experiment's file is empty.") }
    try replacing.validate(resumes: resume)
  }

  var dependences: [Dependence] { [.salvage(resumes: resume)] }

  func run() throws {
    let configuration = try ExperimentConfiguration(contentsOf: fileURL(file), output: output)
    if check { return print(try configuration.yaml(), terminator: "") }
    let start: ExperimentJob.Start = resume ? .resumed(salvages: salvage) : replacing.overwrite ? .overwriting : .fresh
    let outcome = try Communicator.withStoppableWorld(silence: waiting.rules) {
      try ExperimentJob(configuration, file: fileURL(file), start, isQuiet: printing.quiet, on: $0).run()
    }
    guard let outcome else { return }
    switch printing.format {
    case .json: print(try outcome.json())
    case .table: print(Self.text(outcome))
    }
  }

  private static func text(_ outcome: ExperimentOutcome) -> String {
    var parts = outcome.tasks.map { task in
      let rows = task.arms.map { arm in
        [arm.arm] + task.metrics.map { metric in arm.scores[metric].map { NumberText.plain($0) } ?? "" }
      }
      return aligned(
        [
          ["\(task.task) (\(counted(task.images, "image")))"]
            + task.metrics.map { task.percent.contains($0) ? "\($0) %" : $0 }
        ]
          + rows)
    }
    parts.append(outcome.statement)
    parts.append("-> \(outcome.output)/report/index.html")
    return parts.joined(separator: "\n\n")
  }
}

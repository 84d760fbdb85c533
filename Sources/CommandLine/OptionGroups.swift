import ArgumentParser
import TensorCore

/// The model that a verb runs.
struct ModelOptions: ParsableArguments {
  @Option(help: ArgumentHelp("A model folder as published on the Hugging Face Hub.", valueName: "dir"))
  var model: String
  @Option(help: ArgumentHelp("A PEFT adapter to put on the model.", valueName: "dir"))
  var adapter: String?
}

/// How a run computes that keeps a journal.
struct RunOptions: ParsableArguments {
  @Option(help: "The type of the operands of matrix products; all else is float32.")
  var precision = Precision.bf16
  @Option(help: ArgumentHelp("Threads of each rank (default: its part of the cores that it may use).", valueName: "n"))
  var threads: Int?
  @Flag(help: "Go on from the journal of a run that was stopped.")
  var resume = false
}

/// What a run tells.
struct PrintOptions: ParsableArguments {
  @Flag(help: "No progress, only warnings and the result.")
  var quiet = false
  @Option(help: "How the result is printed.")
  var format = OutputFormat.table
}

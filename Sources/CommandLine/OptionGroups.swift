import IO
import ArgumentParser
import Foundation
import Kernels
import RunSupport

/// A replacement for the model folder's chat template.
struct ChatTemplateOption: ParsableArguments {
  @Option(
    name: .customLong("chat-template"),
    help: ArgumentHelp(
      "A chat template (Jinja, or JSON with chat_template) instead of the model folder's own.", valueName: "file"))
  var file: String?

  var url: URL? { file.map(fileURL) }
}

/// The model that a command runs.
struct ModelOptions: ParsableArguments {
  @Option(help: ArgumentHelp("A model folder as published on the Hugging Face Hub.", valueName: "dir"))
  var model: String
  @Option(help: ArgumentHelp("A PEFT adapter to apply to the model.", valueName: "dir"))
  var adapter: String?
  @OptionGroup var chatTemplate: ChatTemplateOption
}

/// Options of a run that keeps a journal.
struct RunOptions: ParsableArguments {
  @Option(help: "The type of matrix-product operands; everything else is float32.")
  var precision = Precision.bf16
  @Option(help: ArgumentHelp("Threads per rank (default: its share of the cores available to it).", valueName: "n"))
  var threads: Int?
  @Flag(help: "Continue from the journal of an interrupted run.")
  var resume = false
  @Flag(help: "With --resume, keep the intact records of a damaged journal and redo the others.")
  var salvage = false
}

/// How many samples a run may skip.
struct SkipOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Share of the samples that may be skipped; if more are, the output is written and the exit code is 2.",
      valueName: "share"))
  var allowSkips = SkipCounts.defaultAllowed

  /// - Throws: exit code 2 if more samples were skipped.
  func check(_ skips: SkipCounts) throws {
    if skips.exceed(allowSkips) { throw ExitCode(2) }
  }

  func validate() throws {
    guard (0...1).contains(allowSkips) else {
      throw ValidationError("--allow-skips is \(allowSkips); it must be a share from 0 to 1.")
    }
  }
}

/// What a run prints.
struct PrintOptions: ParsableArguments {
  @Flag(help: "No progress, only warnings and the result.")
  var quiet = false
  @Option(help: "The format of the printed result.")
  var format = OutputFormat.table
}

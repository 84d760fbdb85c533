import ArgumentParser
import Foundation
import IO
import Kernels
import RunSupport
import Scoring
import VisionLanguage

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Report what this machine offers, find problems, and estimate whether a run fits.",
    discussion: "The exit code is 1 if there is a problem.")

  @Option(help: ArgumentHelp("A model folder to check and to estimate for.", valueName: "dir"))
  var model: String?
  @OptionGroup var chatTemplate: ChatTemplateOption
  @OptionGroup var told: SystemOption
  @Option(help: ArgumentHelp("A key-object dataset to estimate for; needs --model.", valueName: "file"))
  var dataset: String?
  @Option(help: ArgumentHelp("Number of ranks on this machine.", valueName: "n"))
  var ranks = 1
  @Option(help: "The precision to estimate for.")
  var precision = Precision.bf16
  @Option(help: "The prompt to estimate for.")
  var prompt = JobDefaults.prompt
  @Option(help: ArgumentHelp("Estimate for the first samples only.", valueName: "n"))
  var limit: Int?
  @Option(
    help: ArgumentHelp(
      "Threads per rank (default: the cores available to this process, divided by the ranks).", valueName: "n"))
  var threads: Int?
  @OptionGroup var result: FormatOption

  func validate() throws {
    guard dataset == nil || model != nil else { throw ValidationError("--dataset needs --model.") }
    guard (1...4096).contains(ranks) else { throw ValidationError("--ranks must be in 1...4096.") }
    guard (1...4096).contains(threads ?? 1) else { throw ValidationError("--threads must be in 1...4096.") }
  }

  func run() throws {
    let diagnosis = try Diagnosis(
      model: model.map(fileURL), input: InputOptions(chatTemplate: chatTemplate.url, system: told.system),
      dataset: dataset.map(fileURL),
      ranks: ranks,
      threads: threads, precision: precision,
      prompt: prompt, limit: limit)
    switch result.format {
    case .json: print(try jsonText(diagnosis))
    case .table:
      print(
        diagnosis.facts.map { ["\($0.name)", $0.value] }.reduce(into: "") { $0 += pad($1[0]) + $1[1] + "\n" },
        terminator: "")
      print(diagnosis.problems.isEmpty ? "\nNo problems found." : "")
      for problem in diagnosis.problems { print("PROBLEM: \(problem)") }
    }
    if !diagnosis.problems.isEmpty { throw ExitCode.failure }
  }

  private func pad(_ name: String) -> String { name + String(repeating: " ", count: max(1, 24 - name.count)) }
}

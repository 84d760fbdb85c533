import ArgumentParser
import Foundation
import IO
import Kernels
import MessagePassing
import RunSupport
import Scoring
import VisionLanguage

struct Doctor: ParsableCommand, DependentOptions {
  static let configuration = CommandConfiguration(
    abstract: "Report what this machine offers, find problems, and estimate whether a run fits.",
    discussion: """
      Started under mpirun as a run would be (mpirun --hostfile hosts … headimpact doctor …), it compares all hosts: program, MPI, \
      processors, binding, memory, limits, networks, clocks, model, images, and the output's folder. The exit code is 1 if \
      there is a problem.
      """)

  @Option(help: ArgumentHelp("A model folder to check and to estimate for.", valueName: "dir"))
  var model: String?
  @OptionGroup var chatTemplate: ChatTemplateOption
  @OptionGroup var told: SystemOption
  @Option(help: ArgumentHelp("A key-object dataset to estimate for; needs --model.", valueName: "file"))
  var dataset: String?
  @Option(help: ArgumentHelp("A folder of images to compare between hosts.", valueName: "dir"))
  var images: String?
  @Option(help: ArgumentHelp("An output as of a run: its folder is checked.", valueName: "path"))
  var output: String?
  @Option(help: ArgumentHelp("Number of ranks on this machine, without mpirun.", valueName: "n"))
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
  @OptionGroup var printing: PrintOptions

  func validate() throws {
    guard dataset == nil || model != nil else { throw ValidationError("--dataset needs --model.") }
    try Judged.count(ranks, "--ranks", atMost: 4096)
    try Judged.threads(threads)
    try Judged.limit(limit)
    try Judged.prompt(prompt)
  }

  var dependences: [Dependence] {
    [
      Dependence("chat-template", "system", need: "--model", if: model != nil),
      Dependence("prompt", "limit", need: "--dataset", if: dataset != nil),
    ]
  }

  func run() throws {
    var request = Diagnosis.Request()
    request.model = try model.map { try HubCache().model($0) }
    request.input = InputOptions(chatTemplate: chatTemplate.url, system: told.system)
    request.dataset = dataset.map(fileURL)
    request.images = images.map(fileURL)
    request.output = output.map(fileURL)
    request.ranks = ranks
    request.threads = threads
    request.precision = precision
    request.prompt = prompt
    request.limit = limit
    guard let diagnosis = try Communicator.withWorld({ try Diagnosis.run(request, on: $0) }) else { return }
    switch printing.format {
    case .json: print(try jsonText(diagnosis))
    case .table: print(table(diagnosis))
    }
    if !diagnosis.problems.isEmpty { throw ExitCode.failure }
  }

  private func table(_ diagnosis: Diagnosis) -> String {
    var lines: [String] = []
    for fact in diagnosis.facts {
      let values = fact.byHost?.map { "\(HostComparison.list($0.hosts)): \($0.value)" } ?? [fact.value]
      for (index, value) in values.enumerated() { lines.append(pad(index == 0 ? fact.name : "") + value) }
    }
    lines += [diagnosis.problems.isEmpty ? "\nNo problems found." : ""] + diagnosis.notes.map { "NOTE: \($0)" }
    return (lines + diagnosis.problems.map { "PROBLEM: \($0)" }).joined(separator: "\n")
  }

  private func pad(_ name: String) -> String { name + String(repeating: " ", count: max(1, 24 - name.count)) }
}

import ArgumentParser
import Foundation
import Generation
import Jobs
import MessagePassing
import TensorCore

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Describe a dataset's images or answer its questions, into COCO or VQA results.",
    discussion: """
      mpirun -np 4 headimpact generate --model Qwen2-VL-2B-Instruct --dataset captions.json --images val2017 \
      --output results.json

      Key objects and COCO captions get one caption an image, question files one answer a question. Finished answers are \
      kept in OUTPUT.journal until the output is whole; after a kill, --resume goes on from there, on any number of ranks, \
      to the same texts.
      """)

  @Option(help: ArgumentHelp("A model folder as published on the Hugging Face Hub.", valueName: "dir"))
  var model: String
  @Option(
    help: ArgumentHelp(
      "Key objects, COCO captions, or VQA v2 questions.", valueName: "file"))
  var dataset: String
  @Option(help: ArgumentHelp("The folder of the dataset's images.", valueName: "dir"))
  var images: String
  @Option(help: ArgumentHelp("The JSON file to write.", valueName: "file"))
  var output: String
  @Option(help: ArgumentHelp("A PEFT adapter folder to apply to the model.", valueName: "dir"))
  var adapter: String?

  @Option(help: "What the model is asked about each image, where the dataset has no questions.")
  var prompt = JobDefaults.prompt
  @Option(help: "The type of the operands of matrix products; all else is float32.")
  var precision = Precision.bf16
  @Option(help: ArgumentHelp("The longest answer.", valueName: "n"))
  var maxNewTokens = 64
  @Option(help: "0 takes the likeliest token; above it, tokens are drawn.")
  var temperature = 0.0
  @Option(help: ArgumentHelp("Draw among the likeliest tokens that together have this probability.", valueName: "p"))
  var topP = 1.0
  @Option(help: ArgumentHelp("Beams of a beam search; 1 for none.", valueName: "n"))
  var beams = 1
  @Option(help: "Seed of the draws.")
  var seed: UInt64 = 0
  @Option(help: ArgumentHelp("Take only the first examples, by annotation or question id.", valueName: "n"))
  var limit: Int?
  @Option(help: ArgumentHelp("Threads of each rank (default: the node's cores over its ranks).", valueName: "n"))
  var threads: Int?
  @Flag(help: "Go on from the journal of a run that was stopped.")
  var resume = false
  @Flag(help: "Stop at the first example that can't be used, instead of skipping it.")
  var strict = false
  @Flag(help: "No progress, only warnings and the result.")
  var quiet = false
  @Option(help: "How the summary is printed.")
  var format = OutputFormat.table

  func run() throws {
    let configuration = generationConfiguration
    let summary = try Communicator.withWorld { try GenerationJob(configuration, on: $0).run() }
    guard let summary else { return }
    switch format {
    case .json: print(try jsonText(summary))
    case .table:
      let skipped = summary.skipped > 0 ? ", \(summary.skipped) skipped" : ""
      let state = summary.isNew ? "" : "; it was finished already"
      print("\(summary.answers) texts\(skipped) -> \(summary.output)\(state)")
    }
  }

  private var generationConfiguration: GenerationConfiguration {
    var configuration = GenerationConfiguration(
      model: fileURL(model), dataset: fileURL(dataset), images: fileURL(images), output: fileURL(output))
    configuration.adapter = adapter.map(fileURL)
    configuration.prompt = prompt
    configuration.precision = precision
    configuration.decoding.maxNewTokens = maxNewTokens
    configuration.decoding.temperature = temperature
    configuration.decoding.topP = topP
    configuration.decoding.beams = beams
    configuration.decoding.seed = seed
    configuration.limit = limit
    configuration.threads = threads
    configuration.resumes = resume
    configuration.isStrict = strict
    configuration.isQuiet = quiet
    return configuration
  }
}

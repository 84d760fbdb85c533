import ArgumentParser
import Decoding
import Foundation
import Generation
import IO
import Jobs
import MessagePassing
import RunSupport

struct Generate: ParsableCommand, DependentOptions {
  static let configuration = CommandConfiguration(
    abstract: "Describe a dataset's images or answer its questions; write COCO's or VQA's results format.",
    discussion: """
      mpirun -np 4 headimpact generate --model DIR --adapter adapter --dataset keyobjects.json --images DIR \
      --output captions.json

      One caption per image or one answer per question, in the dataset's order. Finished images are kept in OUTPUT.journal \
      until the output is complete; after a kill, --resume continues from there, on any number of ranks. OUTPUT.run identifies \
      the run that made the output.
      """)

  @OptionGroup var loaded: ModelOptions
  @Option(help: ArgumentHelp("A key-object dataset, COCO captions, or VQA v2 questions.", valueName: "file"))
  var dataset: String
  @OptionGroup var images: ImagesOption
  @Option(help: ArgumentHelp("The JSON file to write.", valueName: "file"))
  var output: String
  @OptionGroup var asking: PromptOption
  @Option(
    help: ArgumentHelp("Use only the first images (of a question file: the first questions), by id.", valueName: "n"))
  var limit: Int?
  @Option(
    help: "Describe each object of a key-object dataset alone: its bounding box, or the whole image, grey around it.")
  var objects: ObjectView?
  @Option(help: ArgumentHelp("Maximum number of tokens of a caption or an answer.", valueName: "n"))
  var maxNewTokens = 64
  @Option(help: ArgumentHelp("0: greedy decoding; above 0: sampling.", valueName: "x"))
  var temperature = 0.0
  @Option(help: ArgumentHelp("Sample from the most likely tokens that together have this probability.", valueName: "p"))
  var topP = 1.0
  @Option(
    help: ArgumentHelp(
      "Repetition penalty; 1 for none (default: the model's generation_config.json).",
      valueName: "x"))
  var repetitionPenalty: Double?
  @Option(help: ArgumentHelp("Number of beams (beam search).", valueName: "n"))
  var beams = 1
  @Option(help: "Seed of the sampling.")
  var seed: UInt64 = 0
  @Option(
    help: ArgumentHelp("Number of images whose texts are decoded together; no text depends on it.", valueName: "n"))
  var batch = 16
  @OptionGroup var running: RunOptions
  @OptionGroup var skipping: SkipOptions
  @Flag(help: "If images or texts can't be used, list them all and stop, instead of skipping them.")
  var strict = false
  @OptionGroup var waiting: SilenceOption
  @OptionGroup var printing: PrintOptions

  func validate() throws {
    try Judged.limit(limit)
    try Judged.values(decoding.validate)
  }

  var dependences: [Dependence] {
    [
      Dependence("top-p", "seed", need: "a --temperature above 0", if: temperature > 0),
      .salvage(resumes: running.resume),
    ]
  }

  private var decoding: DecodingOptions {
    var options = DecodingOptions()
    options.maxNewTokens = maxNewTokens
    options.temperature = temperature
    options.topP = topP
    options.repetitionPenalty = repetitionPenalty
    options.beams = beams
    options.seed = seed
    options.batch = batch
    return options
  }

  func run() throws {
    var c = GenerateConfiguration(
      model: try loaded.folder.url, dataset: fileURL(dataset), images: images.url, output: fileURL(output))
    c.adapter = loaded.adapter.map(fileURL)
    c.input = loaded.input.options
    c.objects = objects
    c.prompt = asking.prompt
    c.limit = limit
    c.decoding = decoding
    c.take(running, skipping, isStrict: strict, printing)
    let configuration = c
    let summary = try Communicator.withStoppableWorld(silence: waiting.rules) {
      try GenerationJob(configuration, on: $0).run()
    }
    guard let summary else { return }
    switch printing.format {
    case .json: print(try jsonText(summary))
    case .table:
      let skipped = summary.skips.text.map { ", " + $0 } ?? ""
      for text in summary.examples { print("  \(text)") }
      let state = summary.isNew ? "" : "; it was already finished"
      print("\(counted(summary.results, "result"))\(skipped) -> \(summary.output)\(state)")
    }
    try skipping.check(summary.skips)
  }
}

extension ObjectView: ExpressibleByArgument {}

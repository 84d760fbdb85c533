import ArgumentParser
import Figures
import Foundation
import HDF5Store
import HeadImpact
import IO
import Jobs
import MessagePassing
import RunSupport
import Scoring

struct Ablate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ablate attention heads and measure how the loss of the descriptions changes.",
    discussion: """
      mpirun -np 4 headimpact ablate --model DIR --dataset keyobjects.json --images DIR --hi hi.h5 --heads 12 \
      --random-seeds 0,1,2 --output ablation.json

      Ablates (zeroes) the best heads of hi.h5, the worst ones, and as many drawn at random, one group at a time. Finished images are kept \
      in OUTPUT.journal until the output is complete; after a kill, --resume continues from there, on any number of ranks.
      """)

  @OptionGroup var loaded: ModelOptions
  @Option(
    help: ArgumentHelp(
      "A key-object dataset, COCO captions, or VQA v2 questions with --annotations.", valueName: "file"))
  var dataset: String
  @OptionGroup var source: AnswersAndImagesOptions
  @Option(help: ArgumentHelp("The JSON file to write.", valueName: "file"))
  var output: String

  @Option(help: ArgumentHelp("The HDF5 file of a scoring run, from which heads are chosen.", valueName: "file"))
  var hi: String?
  @Option(help: ArgumentHelp("How many heads to ablate at a time.", valueName: "k"))
  var heads = 10
  @OptionGroup var ranked: RankedMeasureOptions
  @Option(help: ArgumentHelp("Seeds of the random choices, e.g. 0,1,2.", valueName: "list"))
  var randomSeeds = "0,1,2"
  @Option(
    name: .customLong("head"),
    help: ArgumentHelp(
      "A head to ablate, e.g. 14.3; repeat the option to ablate several together.", valueName: "layer.head"))
  var named: [Selection.Head] = []

  @OptionGroup var asking: PromptOption
  @OptionGroup var first: ExampleLimitOption
  @OptionGroup var intervals: BootstrapOptions
  @OptionGroup var running: RunOptions
  @OptionGroup var skipping: SkipOptions
  @Flag(help: "If images or texts can't be used, list them all and stop, instead of skipping them.")
  var strict = false
  @OptionGroup var waiting: SilenceOption
  @OptionGroup var printing: PrintOptions

  func validate() throws {
    guard hi != nil || !named.isEmpty else { throw ValidationError("Name the heads with --hi or --head.") }
  }

  func run() throws {
    let configuration = try ablateConfiguration()
    let summary = try Communicator.withStoppableWorld(silence: waiting.rules) {
      try AblationJob(configuration, on: $0).run()
    }
    guard let summary else { return }
    switch printing.format {
    case .json: print(try summary.result.json())
    case .table: print(Self.text(summary))
    }
    try skipping.check(summary.result.skips)
  }

  private static func text(_ summary: AblationJob.Summary) -> String {
    let result = summary.result
    var rows = [
      ["ablated heads", "loss", "difference", "95% interval"], ["none", NumberText.plain(result.loss), "", ""],
    ]
    rows += result.ablations.map { row in
      ["\(row.name) (\(row.heads.count))", NumberText.plain(row.loss), NumberText.plainSigned(row.difference)]
        + ["\(NumberText.plainSigned(row.lower)) \(NumberText.plainSigned(row.upper))"]
    }
    let skipped = result.skips.text.map { ", " + $0 } ?? ""
    let state = summary.isNew ? "" : "; it was already finished"
    return """
      \(aligned(rows))

      \(result.samples) samples\(skipped) of \(result.images) images, \(result.tokens) tokens \
      -> \(summary.output.path)\(state)
      """
  }

  private func ablateConfiguration() throws -> AblateConfiguration {
    var ablations: [Ablation] = []
    var scoredModelSHA256: String?
    if let hi {
      let contents = try HeadImpactFile.read(fileURL(hi))
      scoredModelSHA256 = contents.modelSHA256
      ablations = try Ablation.byHeadImpact(
        contents.table, measure: ranked.value, count: heads, randomSeeds: seeds(randomSeeds))
    }
    if !named.isEmpty { ablations.append(Ablation(name: "named", heads: named)) }
    var c = AblateConfiguration(
      model: loaded.folder.url, dataset: fileURL(dataset), images: source.images.url, output: fileURL(output),
      ablations: ablations)
    c.scoredModelSHA256 = scoredModelSHA256
    c.adapter = loaded.adapter.map(fileURL)
    c.input = loaded.input.options
    c.annotations = source.answersURL
    c.prompt = asking.prompt
    c.limit = first.limit
    c.bootstrapResamples = intervals.bootstrap
    c.seed = intervals.seed
    c.take(running, skipping, isStrict: strict, printing)
    return c
  }

  private func seeds(_ list: String) throws -> [UInt64] {
    try list.split(separator: ",").map { part in
      guard let seed = UInt64(part.trimmingCharacters(in: .whitespaces)) else {
        throw ValidationError("--random-seeds: \"\(part)\" is not a whole number from 0; write e.g. 0,1,2.")
      }
      return seed
    }
  }
}

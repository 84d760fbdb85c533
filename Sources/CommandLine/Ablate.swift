import Figures
import IO
import Scoring
import ArgumentParser
import Foundation
import HeadImpact
import HDF5Store
import MessagePassing
import RunSupport

struct Ablate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Take heads out of a model and measure what becomes of its descriptions' loss: do the heads matter?",
    discussion: """
      mpirun -np 4 headimpact ablate --model DIR --dataset keyobjects.json --images DIR --hi hi.h5 --heads 12 \
      --random-seeds 0,1,2 --output ablation.json

      The best heads of hi.h5, the worst, and as many drawn at random are each taken out together. Finished images are kept \
      in OUTPUT.journal until the output is whole; after a kill, --resume goes on from there, on any number of ranks.
      """)

  @OptionGroup var loaded: ModelOptions
  @Option(
    help: ArgumentHelp(
      "A key-object dataset, COCO captions, or VQA v2 questions with --annotations.", valueName: "file"))
  var dataset: String
  @Option(help: ArgumentHelp("The answers of a VQA v2 question file.", valueName: "file"))
  var annotations: String?
  @Option(help: ArgumentHelp("The folder of the dataset's images.", valueName: "dir"))
  var images: String
  @Option(help: ArgumentHelp("The JSON file to write.", valueName: "file"))
  var output: String

  @Option(help: ArgumentHelp("The HDF5 file of a scoring run, by which heads are chosen.", valueName: "file"))
  var hi: String?
  @Option(help: ArgumentHelp("How many heads are taken out at a time.", valueName: "k"))
  var heads = 10
  @Option(help: "The measure whose HI decides.")
  var measure = Measure.matched
  @Option(help: ArgumentHelp("Seeds of the random choices, as 0,1,2.", valueName: "list"))
  var randomSeeds = "0,1,2"
  @Option(
    name: .customLong("head"),
    help: ArgumentHelp(
      "A head to take out, as 14.3; give it again to take out several together.", valueName: "layer.head"))
  var named: [Selection.Head] = []

  @Option(help: "What the model is asked about each image that has no question of its own.")
  var prompt = JobDefaults.prompt
  @Option(help: ArgumentHelp("Use only the first examples, by id.", valueName: "n"))
  var limit: Int?
  @Option(help: ArgumentHelp("Resamples of the bootstrap over images.", valueName: "n"))
  var bootstrap = 1000
  @Option(help: "Seed of the bootstrap.")
  var seed: UInt64 = 0
  @OptionGroup var running: RunOptions
  @OptionGroup var skipping: SkipOptions
  @Flag(help: "Stop at the first example that can't be used, instead of skipping it.")
  var strict = false
  @OptionGroup var printing: PrintOptions

  func validate() throws {
    guard hi != nil || !named.isEmpty else { throw ValidationError("Say which heads: --hi or --head.") }
  }

  func run() throws {
    let configuration = try ablateConfiguration()
    let summary = try Communicator.withWorld { try AblationJob(configuration, on: $0).run() }
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
    let state = summary.isNew ? "" : "; it was finished already"
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
        contents.table, measure: measure, count: heads, randomSeeds: seeds(randomSeeds))
    }
    if !named.isEmpty { ablations.append(Ablation(name: "named", heads: named)) }
    var c = AblateConfiguration(
      model: fileURL(loaded.model), dataset: fileURL(dataset), images: fileURL(images), output: fileURL(output),
      ablations: ablations)
    c.scoredModelSHA256 = scoredModelSHA256
    c.adapter = loaded.adapter.map(fileURL)
    c.chatTemplate = loaded.chatTemplate.url
    c.annotations = annotations.map(fileURL)
    c.prompt = prompt
    c.precision = running.precision
    c.limit = limit
    c.bootstrapResamples = bootstrap
    c.seed = seed
    c.threads = running.threads
    c.resumes = running.resume
    c.salvages = running.salvage
    c.allowedSkips = skipping.allowSkips
    c.isStrict = strict
    c.isQuiet = printing.quiet
    return c
  }

  private func seeds(_ list: String) throws -> [UInt64] {
    try list.split(separator: ",").map { part in
      guard let seed = UInt64(part.trimmingCharacters(in: .whitespaces)) else {
        throw ValidationError("--random-seeds: \"\(part)\" is no whole number from 0; give them as 0,1,2.")
      }
      return seed
    }
  }
}

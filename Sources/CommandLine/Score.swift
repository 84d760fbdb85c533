import ArgumentParser
import Foundation
import HDF5Store
import HeadImpact
import IO
import Jobs
import MessagePassing
import RunSupport
import Scoring

struct Score: ParsableCommand, DependentOptions {
  static let configuration = CommandConfiguration(
    abstract: "Compute the Head Impact of every layer and head over a dataset, into an HDF5 file.",
    discussion: """
      mpirun -np 4 headimpact score --model Qwen2-VL-2B-Instruct --dataset keyobjects.json --images val2017 \
      --output hi.h5

      Finished samples are kept in OUTPUT.journal until the output is complete; after a kill, --resume continues from there, \
      on any number of ranks, with bitwise identical results.

      Without MPI, for job arrays and machines that come and go: score --shard 1/16, 2/16 and so on each leave \
      OUTPUT.shard-i-of-16, in any order and at any time, and headimpact gather makes the output of them.
      """)

  @OptionGroup var model: ModelOption
  @Option(help: ArgumentHelp("A PEFT adapter to apply to the model before scoring.", valueName: "dir"))
  var adapter: String?
  @OptionGroup var input: InputArguments
  @Option(
    help: ArgumentHelp("A key-object dataset: COCO's schema, with a description in each annotation.", valueName: "file")
  )
  var dataset: String
  @OptionGroup var images: ImagesOption
  @Option(help: ArgumentHelp("The HDF5 file to write.", valueName: "file"))
  var output: String

  @Option(help: "The prompt for each image.")
  var prompt = JobDefaults.prompt
  @Option(help: ArgumentHelp("Score only the first samples, by annotation id.", valueName: "n"))
  var limit: Int?
  @OptionGroup var cells: CoverageOption
  @Option(help: "Read attention from each description token's own row, or from the row that predicts it.")
  var query = HeadImpactOptions.Query.token
  @OptionGroup var rows: NormalizeOption
  @OptionGroup var shown: ViewsOption
  @Option(
    help: ArgumentHelp(
      "A visual token is a sink if its score exceeds this many times the median token's.", valueName: "factor"))
  var sinkFactor = 10.0
  @OptionGroup var intervals: BootstrapOptions
  @Flag(help: "Save every sample's attention scores in the output.")
  var saveScores = false
  @Option(
    help: ArgumentHelp("Score only the i-th of n parts of the images, into OUTPUT.shard-i-of-n.", valueName: "i/n"),
    transform: { try Shard($0) })
  var shard: Shard?
  @OptionGroup var running: RunOptions
  @OptionGroup var skipping: SkipOptions
  @Flag(help: "Stop at the first sample that can't be used, instead of skipping it.")
  var strict = false
  @OptionGroup var waiting: SilenceOption
  @OptionGroup var printing: PrintOptions

  func validate() throws {
    try Judged.limit(limit)
    try Judged.prompt(prompt)
    try Judged.values { try options.validate() }
  }

  var dependences: [Dependence] { [.salvage(resumes: running.resume)] }

  func run() throws {
    let configuration = try scoreConfiguration()
    let summary = try Communicator.withStoppableWorld(silence: waiting.rules) {
      try ScoringJob(configuration, on: $0).run()
    }
    guard let summary else { return }
    if let shard = summary.shard { return try ShardSummary(shard).print(as: printing.format) }
    try ScoreTable(summary, HeadImpactFile.read(summary.output)).print(as: printing.format)
    try skipping.check(summary.skips)
  }

  private var options: HeadImpactOptions {
    var options = HeadImpactOptions()
    options.coverage = cells.coverage
    options.query = query
    options.normalize = rows.normalize
    options.views = shown.views
    options.sinkFactor = sinkFactor
    options.bootstrapResamples = intervals.bootstrap
    options.seed = intervals.seed
    return options
  }

  private func scoreConfiguration() throws -> ScoreConfiguration {
    var configuration = ScoreConfiguration(
      model: try model.url, dataset: fileURL(dataset), images: images.url, output: fileURL(output))
    if let shard { configuration.output = shard.url(of: configuration.output) }
    configuration.shard = shard
    configuration.adapter = adapter.map(fileURL)
    configuration.input = input.options
    configuration.prompt = prompt
    configuration.limit = limit
    configuration.options = options
    configuration.savesScores = saveScores
    configuration.take(running, skipping, isStrict: strict, printing)
    return configuration
  }
}

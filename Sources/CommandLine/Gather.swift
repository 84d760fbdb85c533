import ArgumentParser
import Foundation
import HDF5Store
import IO
import MessagePassing
import RunSupport
import Scoring

struct Gather: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make one Head Impact file of the shards of a scoring run.",
    discussion: """
      headimpact gather --output hi.h5

      The file is the one that score would have made without --shard, bit for bit. It needs neither the model nor the dataset \
      nor the images. All shards must be there, finished, and of one run. Under mpirun, the ranks share the bootstrap and the \
      compression.
      """)

  @Option(help: ArgumentHelp("The HDF5 file to write.", valueName: "file"))
  var output: String
  @Argument(
    help: ArgumentHelp(
      "The shards' files, OUTPUT.shard-i-of-n (default: those beside the output).", valueName: "shard"))
  var shards: [String] = []
  @OptionGroup var threads: ThreadsOption
  @Flag(help: "Remove the shards once the output is complete.")
  var remove = false
  @OptionGroup var replacing: OverwriteOption
  @OptionGroup var skipping: SkipOptions
  @OptionGroup var waiting: SilenceOption
  @OptionGroup var printing: PrintOptions

  func validate() throws { try Judged.different(shards, for: "gather") }

  func run() throws {
    var configuration = GatherConfiguration(output: fileURL(output))
    configuration.shards = shards.map(fileURL)
    configuration.threads = threads.threads
    configuration.allowedSkips = skipping.allowSkips
    configuration.removesShards = remove
    configuration.overwrites = replacing.overwrite
    let summary = try Communicator.withWorld(silence: waiting.rules) { try GatherJob(configuration, on: $0).run() }
    guard let summary else { return }
    try ScoreTable(summary, HeadImpactFile.read(summary.output)).print(as: printing.format)
    try skipping.check(summary.skips)
  }
}

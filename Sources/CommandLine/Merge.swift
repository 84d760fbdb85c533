import ArgumentParser
import Foundation
import IO
import Kernels
import LowRankAdaptation
import RunSupport
import VisionLanguage

struct Merge: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Merge an adapter into its model: a full checkpoint that needs no adapter.",
    discussion: """
      headimpact merge --model DIR --adapter adapter --output merged

      OUTPUT has the model's files, with the same shards and types, and loads in transformers. LoRA, rsLoRA and DoRA of the \
      language model's linear layers are merged, and their biases.
      """)

  @OptionGroup var model: ModelOption
  @Option(help: ArgumentHelp("The PEFT adapter.", valueName: "dir"))
  var adapter: String
  @OptionGroup var folder: OutputFolderOption
  @OptionGroup var replacing: OverwriteOption
  @OptionGroup var threads: ThreadsOption
  @OptionGroup var printing: PrintOptions

  func run() throws {
    let team = ThreadTeam(count: threads.threads ?? JobDefaults.threads(localRanks: 1))
    let model = try ModelRegistry.load(
      folder: try model.url, input: InputOptions(), backend: CPUBackend(precision: .f32, team: team))
    let adapter = fileURL(adapter)
    Remarks.tell(PEFTAdapter.remarks(onBaseOf: adapter, model: model.checkpoint.folder))
    let summary = try ModelMerge(model, adapter: adapter).write(to: folder.url, overwrites: replacing.overwrite)
    switch printing.format {
    case .json: print(try jsonText(summary))
    case .table:
      print(
        aligned([
          ["merged tensors", "\(summary.changedTensors) of \(summary.tensors)"],
          ["size", "\(summary.bytes >> 20) MiB"],
        ]) + "\n\n-> \(summary.output)")
    }
  }
}

import ArgumentParser
import Figures
import Foundation
import HDF5Store
import HeadImpact
import IO
import RunSupport

struct Select: ParsableCommand, DependentOptions {
  static let configuration = CommandConfiguration(
    abstract: "Choose layers to train by their Head Impact.",
    discussion: "A layer's score is the mean HI of its heads; ties go to the lower index.")

  @Argument(help: "The HDF5 file of a scoring run.")
  var file: String
  @Option(help: "Choose the layers of highest score, those of lowest score, or layers drawn with --seed.")
  var strategy = Selection.Strategy.top
  @Option(help: ArgumentHelp("How many layers.", valueName: "k"))
  var layers = 3
  @OptionGroup var ranked: RankedMeasureOptions
  @OptionGroup var quietly: QuietOption
  @Option(help: ArgumentHelp("Also list this many of the model's best heads, with their HI.", valueName: "k"))
  var heads = 0
  @Option(help: "Seed of --strategy random.")
  var seed: UInt64 = 0
  @Option(help: ArgumentHelp("Also write the JSON to this file, for train --selection.", valueName: "file"))
  var output: String?
  @Flag(help: "Replace the --output file if select made it before.")
  var overwrite = false
  @Option(help: "The format of the printed result.")
  var format = OutputFormat.json

  func validate() throws {
    try Judged.count(layers, "--layers")
    try Judged.count(heads, "--heads", atLeast: 0)
  }

  var dependences: [Dependence] {
    [
      Dependence("seed", need: "--strategy random", if: strategy == .random),
      Dependence("overwrite", need: "--output", if: output != nil),
    ]
  }

  func run() throws {
    let url = fileURL(file)
    let contents = try HeadImpactFile.read(url)
    var selection = try Selection(
      from: contents.table, strategy: strategy, measure: ranked.value, layers: layers, topHeads: heads, seed: seed)
    selection.modelName = contents.modelName
    selection.modelSHA256 = contents.modelSHA256
    selection.source = url.lastPathComponent
    let json = try selection.json()
    if let output { try write(json, to: fileURL(output)) }
    switch format {
    case .json: print(json)
    case .table: print(table(selection))
    }
  }

  private func write(_ json: String, to url: URL) throws {
    if FileManager.default.fileExists(atPath: url.path) {
      guard overwrite else {
        throw JobError("\(url.path): already exists; choose another --output, or replace it with --overwrite")
      }
      do { _ = try Selection(json: Data(JobInputs.read(url)), named: url.path) } catch {
        throw JobError(
          "\(url.path): is no output of this command, so --overwrite doesn't replace it; choose another --output")
      }
    }
    try AtomicFile.write(Data((json + "\n").utf8), to: url)
  }

  private func table(_ selection: Selection) -> String {
    let title = "HI (\(selection.ranked))"
    let layers = zip(selection.layers, selection.scores).map { ["\($0)", NumberText.plain($1)] }
    let heads = zip(selection.heads, selection.headScores).map { [$0.description, NumberText.plain($1)] }
    let parts = [[["layer", title]] + layers] + (heads.isEmpty ? [] : [[["layer.head", title]] + heads])
    return parts.map { aligned($0) }.joined(separator: "\n\n")
  }
}

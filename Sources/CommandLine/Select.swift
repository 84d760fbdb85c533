import ArgumentParser
import Figures
import Foundation
import HDF5Store
import HeadImpact
import IO

struct Select: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Choose layers to train by their Head Impact.",
    discussion: "A layer's score is the mean HI of its heads; ties go to the lower index.")

  @Argument(help: "The HDF5 file of a scoring run.")
  var file: String
  @Option(help: "Choose the layers of highest score, those of lowest score, or layers drawn with --seed.")
  var strategy = Selection.Strategy.top
  @Option(help: ArgumentHelp("How many layers.", valueName: "k"))
  var layers = 3
  @Option(help: "The measure by which HI is ranked.")
  var measure = Measure.matched
  @Option(help: ArgumentHelp("Also list this many of the model's best heads.", valueName: "k"))
  var heads = 0
  @Option(help: "Seed of --strategy random.")
  var seed: UInt64 = 0
  @Option(help: "The format of the printed result.")
  var format = OutputFormat.json

  func run() throws {
    let url = fileURL(file)
    let contents = try HeadImpactFile.read(url)
    var selection = try Selection(
      from: contents.table, strategy: strategy, measure: measure, layers: layers, topHeads: heads, seed: seed)
    selection.modelName = contents.modelName
    selection.modelSHA256 = contents.modelSHA256
    selection.source = url.lastPathComponent
    switch format {
    case .json: print(try selection.json())
    case .table:
      let rows = zip(selection.layers, selection.scores).map { ["\($0)", NumberText.plain($1)] }
      print(aligned([["layer", "HI (\(measure.rawValue))"]] + rows))
      guard !selection.heads.isEmpty else { return }
      let best = selection.heads.map { head in
        [
          "\(head.layer).\(head.head)",
          NumberText.plain(contents.table.hi[contents.table.index(measure, layer: head.layer, head: head.head)]),
        ]
      }
      print("\n" + aligned([["layer.head", "HI (\(measure.rawValue))"]] + best))
    }
  }
}

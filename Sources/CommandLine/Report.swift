import ArgumentParser
import Experiment
import Foundation
import HeadImpact
import IO
import Reporting
import RunSupport

struct Report: ParsableCommand, DependentOptions {
  static let configuration = CommandConfiguration(
    abstract: "Create a page with figures and tables from a scoring run or an experiment.",
    discussion: """
      OUTPUT/index.html opens without a network. Beside it are the figures (figures/*.svg) and the numbers of every \
      figure and table (data/*.csv). A scoring run's file is enough; --images adds the photographs, and --dataset the \
      objects' outlines instead of their visual tokens.
      """)

  @Argument(help: "The HDF5 file of a scoring run, or an experiment's folder.")
  var input: String
  @OptionGroup var made: OutputFolderOption
  @Option(help: ArgumentHelp("The scored dataset, to outline objects in their photographs.", valueName: "file"))
  var dataset: String?
  @Option(help: ArgumentHelp("The folder of the scored images, to show photographs.", valueName: "dir"))
  var images: String?
  @Option(help: ArgumentHelp("How many of the best heads to list.", valueName: "k"))
  var topHeads = 12
  @Option(help: "The measure by which heads are ranked.")
  var measure = Measure.matched
  @Flag(help: "Draw a straight line through the layers' means.")
  var layerFit = false
  @Option(help: ArgumentHelp("The page's title (default: model, dataset and number of samples).", valueName: "text"))
  var title: String?
  @OptionGroup var replacing: OverwriteOption
  @OptionGroup var printing: QuietOption

  func validate() throws {
    guard dataset == nil || images != nil else {
      throw ValidationError("--dataset needs --images, the folder of its images.")
    }
    try Judged.count(topHeads, "--top-heads", atMost: 100)
  }

  var dependences: [Dependence] {
    [
      Dependence(
        "measure", "top-heads", need: "the file of a scoring run: an experiment's folder has its own (select)",
        if: !fileURL(input).hasDirectoryPath)
    ]
  }

  func run() throws {
    var options = HeadImpactReport.Options(programVersion: JobDefaults.programVersion)
    options.title = title
    options.measure = measure
    options.topHeads = topHeads
    options.hasLayerFit = layerFit
    options.source = images.map { PictureSource(dataset: dataset.map(fileURL), images: fileURL($0)) }
    let folder = made.url
    if let reason = try Page.refusal(of: folder, overwrites: replacing.overwrite) {
      throw JobError("\(folder.path): \(reason)")
    }
    let source = fileURL(input)
    let page =
      source.hasDirectoryPath
      ? try ExperimentPage(folder: source).page(title: title, source: options.source, hasLayerFit: layerFit)
      : try HeadImpactReport.page(of: source, options)
    try page.write(to: folder, overwrites: replacing.overwrite)
    print(folder.appendingPathComponent("index.html").path)
  }
}

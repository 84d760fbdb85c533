import ArgumentParser
import Experiment
import Foundation
import HeadImpact
import IO
import Reporting
import RunSupport

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Create a page with figures and tables from a scoring run or an experiment.",
    discussion: """
      OUTPUT/index.html opens without a network. Beside it are the figures (figures/*.svg) and the numbers of every \
      figure and table (data/*.csv). An existing report in OUTPUT is replaced.
      """)

  @Argument(help: "The HDF5 file of a scoring run, or an experiment's folder.")
  var input: String
  @OptionGroup var made: OutputFolderOption
  @Option(help: ArgumentHelp("The scored dataset, to show samples.", valueName: "file"))
  var dataset: String?
  @Option(help: ArgumentHelp("The folder of its images.", valueName: "dir"))
  var images: String?
  @Option(help: ArgumentHelp("How many of the best heads to mark and list.", valueName: "k"))
  var topHeads = 12
  @Option(help: "The measure by which heads are ranked.")
  var measure = Measure.matched
  @Option(help: ArgumentHelp("The page's title (default: the file's).", valueName: "text"))
  var title: String?

  func validate() throws {
    guard (dataset == nil) == (images == nil) else {
      throw ValidationError("--dataset and --images go together.")
    }
    guard topHeads >= 1 else { throw ValidationError("--top-heads must be at least 1.") }
  }

  func run() throws {
    var options = HeadImpactReport.Options(programVersion: JobDefaults.programVersion)
    options.title = title
    options.measure = measure
    options.topHeads = topHeads
    if let dataset, let images {
      options.source = PictureSource(dataset: fileURL(dataset), images: fileURL(images))
    }
    let folder = made.url
    let source = fileURL(input)
    let page =
      source.hasDirectoryPath
      ? try ExperimentPage(folder: source).page(title: title) : try HeadImpactReport.page(of: source, options)
    try page.write(to: folder)
    print(folder.appendingPathComponent("index.html").path)
  }
}

import IO
import ArgumentParser
import Experiment
import Foundation
import HeadImpact
import Reporting
import RunSupport

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a page with figures and tables of a scoring run, or of an experiment.",
    discussion: """
      OUTPUT/index.html opens without a network. Beside it are the figures (figures/*.svg) and the numbers of every \
      figure and table (data/*.csv). A report that is in OUTPUT already is replaced.
      """)

  @Argument(help: "The HDF5 file of a scoring run, or an experiment's folder.")
  var input: String
  @Option(help: ArgumentHelp("The folder to make.", valueName: "dir"))
  var output: String
  @Option(help: ArgumentHelp("The dataset that was scored, to show samples.", valueName: "file"))
  var dataset: String?
  @Option(help: ArgumentHelp("The folder of its images.", valueName: "dir"))
  var images: String?
  @Option(help: ArgumentHelp("How many of the best heads are marked and listed.", valueName: "k"))
  var topHeads = 12
  @Option(help: "The measure that heads are ranked by.")
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
    let folder = fileURL(output)
    let source = fileURL(input)
    let page =
      source.hasDirectoryPath
      ? try ExperimentPage(folder: source).page(title: title) : try HeadImpactReport.page(of: source, options)
    try page.write(to: folder)
    print(folder.appendingPathComponent("index.html").path)
  }
}

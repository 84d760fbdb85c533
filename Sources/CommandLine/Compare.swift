import ArgumentParser
import Comparison
import Foundation
import HeadImpact
import IO
import Kernels
import Reporting
import RunSupport

struct Compare: ParsableCommand, DependentOptions {
  static let configuration = CommandConfiguration(
    abstract: "Compare scoring runs: models, prompts, seeds, before and after tuning.",
    discussion: """
      headimpact compare before.h5 after.h5 --corrected --output comparison

      How far the runs rank the heads alike, which of the best heads they share, and which heads differ, with 95% intervals. Runs \
      over one dataset are compared on the samples that all of them have, image by image. The first file is the one that \
      the others are compared with. With --output, a page with figures and tables: OUTPUT/index.html, figures/*.svg, data/*.csv.
      """)

  @Argument(help: "Two or more HDF5 files of scoring runs.")
  var files: [String]
  @OptionGroup var ranked: RankedMeasureOptions
  @Option(help: ArgumentHelp("How many of the best heads to compare and list.", valueName: "k"))
  var topHeads = 10
  @Option(
    help: ArgumentHelp(
      "What to call the runs, one name per file (default: what tells their paths apart).", valueName: "list"))
  var names: String?
  @OptionGroup var intervals: BootstrapOptions
  @Option(help: ArgumentHelp("The folder of the page (default: no page).", valueName: "dir"))
  var output: String?
  @OptionGroup var replacing: OverwriteOption
  @Option(help: ArgumentHelp("The page's title (default: the runs' names).", valueName: "text"))
  var title: String?
  @Option(help: ArgumentHelp("Number of threads (default: the machine's cores).", valueName: "n"))
  var threads: Int?
  @OptionGroup var printing: PrintOptions

  func validate() throws {
    guard files.count >= 2 else { throw ValidationError("compare takes two or more files of scoring runs.") }
    try Judged.different(files, for: "compare")
    try Judged.count(topHeads, "--top-heads")
    try Judged.threads(threads)
    if let count = nameList?.count, count != files.count {
      throw ValidationError("--names has \(count) names for \(files.count) files.")
    }
  }

  var dependences: [Dependence] { [Dependence("title", "overwrite", need: "--output, the page", if: output != nil)] }

  func run() throws {
    if let output, let reason = try Page.refusal(of: fileURL(output), overwrites: replacing.overwrite) {
      throw ReportError("\(fileURL(output).path): \(reason)")
    }
    var options = RunComparison.Options()
    options.ranked = ranked.value
    options.topHeads = topHeads
    options.resamples = intervals.bootstrap
    options.seed = intervals.seed
    let team = ThreadTeam(count: threads ?? JobDefaults.threads(localRanks: 1))
    let comparison = try ComparisonInput.compare(files.map(fileURL), names: nameList, options) { tasks, body in
      team.forEach(tasks, work: .max) { task, _ in body(task) }
    }
    if let output {
      let page = ComparisonReport.page(of: comparison, title: title, programVersion: JobDefaults.programVersion)
      try page.write(to: fileURL(output), overwrites: replacing.overwrite)
    }
    switch printing.format {
    case .json: print(try jsonText(comparison))
    case .table:
      print(ComparisonTable(comparison).text)
      if let output { print("\n-> \(fileURL(output).appendingPathComponent("index.html").path)") }
    }
  }

  private var nameList: [String]? {
    names?.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
  }
}

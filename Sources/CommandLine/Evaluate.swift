import ArgumentParser
import Evaluation
import Foundation
import IO
import RunSupport

extension VQADialect: ExpressibleByArgument {}

struct Evaluate: ParsableCommand, DependentOptions {
  static let configuration = CommandConfiguration(
    abstract: "Score captions or answers against human references.",
    discussion: """
      headimpact evaluate --references captions_val2017.json --results captions.json
      headimpact evaluate --questions q.json --annotations a.json --results answers.json

      Captions: BLEU-1 to 4, ROUGE-L and CIDEr as coco-caption computes them, exact match and token F1. Answers: VQA accuracy \
      by the official rule. With --baseline, also the difference in every metric, with its 95% interval.
      """)

  @Option(help: ArgumentHelp("COCO captions, or a key-object dataset with descriptions.", valueName: "file"))
  var references: String?
  @Option(help: ArgumentHelp("VQA v2 questions, or a dataset with questions and answers.", valueName: "file"))
  var questions: String?
  @Option(help: ArgumentHelp("The annotations (answers) of VQA v2 questions.", valueName: "file"))
  var annotations: String?
  @Option(
    help: ArgumentHelp(
      "Captions or answers in COCO's or VQA's results format, as generate writes them.", valueName: "file"))
  var results: String
  @Option(help: ArgumentHelp("Other results for the same images, to compare with.", valueName: "file"))
  var baseline: String?
  @Flag(help: "Leave out images or questions without a result.")
  var partial = false
  @Option(help: "Which program's rule decides whether an answer is correct.")
  var dialect = VQADialect.official
  @Option(help: ArgumentHelp("meteor-1.5.jar, to compute METEOR too; needs Java.", valueName: "file"))
  var meteorJar: String?
  @Option(help: ArgumentHelp("Number of bootstrap resamples for --baseline's intervals.", valueName: "n"))
  var resamples = 1000
  @Option(help: "Seed of the bootstrap.")
  var seed: UInt64 = 0
  @Option(help: ArgumentHelp("Write each image's (question's) scores to a .csv or .h5 file.", valueName: "file"))
  var perImage: String?
  @OptionGroup var replacing: OverwriteOption
  @OptionGroup var printing: PrintOptions

  func validate() throws {
    guard (references == nil) != (questions == nil) else {
      throw ValidationError("Give either --references (captions) or --questions (answers).")
    }
    guard PairedComparison.resampleCounts.contains(resamples) else {
      throw ValidationError("--resamples is \(resamples); it must be in \(PairedComparison.resampleCounts).")
    }
    if let baseline, Judged.isSame(baseline, results) {
      throw ValidationError("--results and --baseline are the same file, \(baseline); a comparison takes two.")
    }
    if let perImage, !["csv", "h5", "hdf5"].contains(fileURL(perImage).pathExtension.lowercased()) {
      throw ValidationError("--per-image takes a name that ends in .csv or .h5.")
    }
    if let perImage, !replacing.overwrite, FileManager.default.fileExists(atPath: fileURL(perImage).path) {
      throw ValidationError("\(perImage): already exists; choose another name, or let it be replaced by --overwrite.")
    }
  }

  var dependences: [Dependence] {
    [
      Dependence("annotations", "dialect", need: "--questions", if: questions != nil),
      Dependence("meteor-jar", need: "--references", if: references != nil),
      Dependence("resamples", "seed", need: "--baseline", if: baseline != nil),
      Dependence("overwrite", need: "--per-image", if: perImage != nil),
    ]
  }

  func run() throws {
    let subject: EvaluationRun.Subject
    if let references {
      subject = .captions(references: fileURL(references), meteor: meteorJar.map { MeteorJar(fileURL($0)) })
    } else {
      subject = .questions(
        fileURL(questions ?? ""), annotations: annotations.map(fileURL), dialect: dialect)
    }
    var evaluation = EvaluationRun(subject, results: fileURL(results), baseline: baseline.map(fileURL))
    evaluation.isPartial = partial
    evaluation.resamples = resamples
    evaluation.seed = seed
    if let perImage { try PerImageTable.checkReplaceable(fileURL(perImage)) }
    let report = try evaluation.run()
    if let perImage {
      try report.perImage?.write(to: fileURL(perImage), source: "headimpact \(JobDefaults.programVersion)")
    }
    for warning in report.warnings { StandardError.write("warning: \(warning)\n") }
    print(printing.format == .json ? try jsonText(report) : EvaluationTable(report).text)
  }
}

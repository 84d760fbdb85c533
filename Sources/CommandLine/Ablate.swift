import ArgumentParser
import Figures
import Foundation
import HDF5Store
import HeadImpact
import IO
import Jobs
import MessagePassing
import RunSupport
import Scoring

struct Ablate: ParsableCommand, DependentOptions {
  static let configuration = CommandConfiguration(
    abstract: "Ablate attention heads and measure how the loss of the descriptions, and what the model says, change.",
    discussion: """
      mpirun -np 4 headimpact ablate --model DIR --dataset keyobjects.json --images DIR --hi hi.h5 --heads 1,4,12 \
      --random-seeds 0,1,2 --outcome loss,CIDEr --output ablation.json

      Ablates the best heads of hi.h5, the worst ones, and as many drawn at random, one group at a time: for each number of \
      heads that --heads names. Finished images are kept \
      in OUTPUT.journal until the output is complete; after a kill, --resume continues from there, on any number of ranks.
      """)

  @OptionGroup var loaded: ModelOptions
  @Option(
    help: ArgumentHelp(
      "A key-object dataset, COCO captions, or VQA v2 questions with --annotations.", valueName: "file"))
  var dataset: String
  @OptionGroup var source: AnswersAndImagesOptions
  @Option(help: ArgumentHelp("The JSON file to write.", valueName: "file"))
  var output: String

  @Option(help: ArgumentHelp("The HDF5 file of a scoring run, from which heads are chosen.", valueName: "file"))
  var hi: String?
  @Option(help: ArgumentHelp("How many heads to ablate at a time, e.g. 1,2,4,8 for curves.", valueName: "list"))
  var heads = "10"
  @OptionGroup var ranked: RankedMeasureOptions
  @Option(help: ArgumentHelp("Seeds of the random choices, e.g. 0,1,2.", valueName: "list"))
  var randomSeeds = "0,1,2"
  @Option(
    name: .customLong("head"),
    help: ArgumentHelp(
      "Heads to ablate together, e.g. 14.3,17.0; repeatable.", valueName: "layer.head"))
  var named: [CommaList<Selection.Head>] = []
  @Option(
    help: ArgumentHelp(
      "What takes a head's place: zero; its mean over a reference set; or knockout: it stays, but the text's tokens don't see the visual tokens in it.",
      valueName: "kind"))
  var ablation = AblationKind.zero
  @Option(help: ArgumentHelp("Of --ablation mean: the first images, by id, are the reference set.", valueName: "n"))
  var referenceImages = 256
  @Option(
    help: ArgumentHelp(
      "What is measured: loss; and of what the model says exact_match, CIDEr (captions), accuracy (VQA's).",
      valueName: "list"))
  var outcome = "loss"
  @Option(help: ArgumentHelp("Maximum number of tokens of what the model says.", valueName: "n"))
  var maxNewTokens = 64
  @Option(help: ArgumentHelp("A CSV file to write the numbers to as well.", valueName: "file"))
  var csv: String?

  @OptionGroup var measuring: MeasuringOptions

  func validate() throws {
    guard hi != nil || !named.isEmpty else { throw ValidationError("Name the heads with --hi or --head.") }
    _ = try (counts(), seeds(randomSeeds), Judged.heads(named.flatMap(\.elements), "--head"))
    try Judged.values { try configured(model: fileURL(loaded.folder.model), []).validateOptions() }
    if let csv {
      let file = fileURL(csv)
      guard file.pathExtension.lowercased() == "csv", !Judged.isSame(csv, output) else {
        throw ValidationError("--csv takes a name of its own that ends in .csv.")
      }
      let isMine = measuring.running.resume || measuring.running.replacing.overwrite
      guard isMine || !FileManager.default.fileExists(atPath: file.path) else {
        throw ValidationError("\(csv): already exists; choose another name, or let it be replaced by --overwrite.")
      }
      if FileManager.default.fileExists(atPath: file.path), try !Judged.values({ try AblationResult.isCSV(file) }) {
        throw ValidationError("\(csv): is no output of --csv, so it isn't replaced; choose another name.")
      }
      let folder = file.deletingLastPathComponent().path
      guard FileManager.default.isWritableFile(atPath: folder) else {
        throw ValidationError("\(csv): \(folder) is no folder that can be written to.")
      }
    }
  }

  var dependences: [Dependence] {
    let says = TypedOptions.parts(outcome).contains { $0.lowercased() != AblationOutcome.loss.rawValue }
    return Dependence.ranking("heads", "random-seeds", of: hi) + [
      Dependence("reference-images", need: "--ablation mean", if: ablation == .mean),
      Dependence("max-new-tokens", need: "an --outcome of what the model says", if: says),
      .salvage(resumes: measuring.running.resume),
    ]
  }

  func run() throws {
    let configuration = try ablateConfiguration()
    let summary = try Communicator.withStoppableWorld(silence: measuring.waiting.rules) {
      try AblationJob(configuration, on: $0).run()
    }
    guard let summary else { return }
    for warning in summary.result.warnings ?? [] { StandardError.write("warning: \(warning)\n") }
    if let csv { try AtomicFile.write(Data(summary.result.csv.utf8), to: fileURL(csv)) }
    switch measuring.printing.format {
    case .json: print(try summary.result.json())
    case .table: print(Self.text(summary))
    }
    try measuring.skipping.check(summary.result.skips)
  }

  private static func text(_ summary: AblationJob.Summary) -> String {
    let result = summary.result
    func cells(_ value: Double, _ difference: Double, _ lower: Double, _ upper: Double) -> [String] {
      [NumberText.plain(value), NumberText.plainSigned(difference)]
        + ["\(NumberText.plainSigned(lower)) \(NumberText.plainSigned(upper))"]
    }
    let others = result.outcomes ?? []
    let headings = ["loss"] + others.map { $0.outcome.rawValue + ($0.unit == "percent" ? " %" : "") }
    var rows = [["ablated heads"] + headings.flatMap { [$0, "difference", "95% interval"] }]
    rows.append(
      ["none"] + ([result.loss] + others.map(\.value)).flatMap { [NumberText.plain($0), "", ""] })
    rows += result.ablations.map { row in
      ["\(row.name) (\(row.heads.count))"] + cells(row.loss, row.difference, row.lower, row.upper)
        + (row.outcomes ?? []).flatMap { cells($0.value, $0.difference, $0.lower, $0.upper) }
    }
    let skipped = result.skips.text.map { ", " + $0 } ?? ""
    let state = summary.isNew ? "" : "; it was already finished"
    return """
      \(aligned(rows))

      \(counted(result.samples, "sample"))\(skipped) of \(counted(result.images, "image")), \(counted(result.tokens, "token")) \
      -> \(summary.output.path)\(state)
      """
  }

  private func ablateConfiguration() throws -> AblateConfiguration {
    var ablations: [Ablation] = []
    var scoredModelSHA256: String?
    if let hi {
      let contents = try HeadImpactFile.read(fileURL(hi))
      scoredModelSHA256 = contents.modelSHA256
      ablations = try Ablation.byHeadImpact(
        contents.table, measure: ranked.value, counts: counts(), randomSeeds: seeds(randomSeeds))
    }
    if !named.isEmpty { ablations.append(Ablation(name: "named", heads: named.flatMap(\.elements))) }
    return try configured(model: try loaded.folder.url, ablations, scored: scoredModelSHA256)
  }

  private func configured(
    model: URL, _ ablations: [Ablation], scored: String? = nil
  ) throws -> AblateConfiguration {
    var c = AblateConfiguration(
      model: model, dataset: fileURL(dataset), images: source.images.url, output: fileURL(output),
      ablations: ablations)
    c.take(loaded, chosenBy: hi, scored: scored, measuring)
    c.annotations = source.answersURL
    c.kind = ablation
    c.referenceImages = referenceImages
    c.outcomes = try outcomes()
    c.decoding.maxNewTokens = maxNewTokens
    return c
  }

  private func counts() throws -> [Int] {
    let counts = try TypedOptions.parts(heads).map { part in
      guard let count = Int(part), count > 0 else {
        throw ValidationError("--heads: \"\(part)\" is not a number of heads; write e.g. 10, or 1,2,4,8.")
      }
      return count
    }
    guard !counts.isEmpty, Set(counts).count == counts.count else {
      throw ValidationError("--heads is \"\(heads)\"; write different numbers, e.g. 10, or 1,2,4,8.")
    }
    return counts
  }

  private func outcomes() throws -> [AblationOutcome] {
    try Judged.parts(outcome, "--outcome", such: "loss,CIDEr").map { part in
      let name = part.replacing("-", with: "_").lowercased()
      guard let outcome = AblationOutcome.allCases.first(where: { $0.rawValue.lowercased() == name }) else {
        let known = AblationOutcome.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("--outcome: \"\(part)\" is none of \(known).")
      }
      return outcome
    }
  }

  private func seeds(_ list: String) throws -> [UInt64] {
    try Judged.parts(list, "--random-seeds", such: "0,1,2").map { part in
      guard let seed = UInt64(part) else {
        throw ValidationError("--random-seeds: \"\(part)\" is not a whole number from 0; write e.g. 0,1,2.")
      }
      return seed
    }
  }
}

extension AblationKind: ExpressibleByArgument {}

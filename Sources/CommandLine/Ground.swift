import ArgumentParser
import Figures
import Foundation
import Grounding
import HDF5Store
import HeadImpact
import IO
import Jobs
import MessagePassing
import RunSupport

extension ThresholdRule: ExpressibleByArgument {}
extension LocatingOptions.Parts: ExpressibleByArgument {}

struct Ground: ParsableCommand, DependentOptions {
  static let configuration = CommandConfiguration(
    abstract: "Find the object of a description by the attention of chosen heads: a box and a mask, scored.",
    discussion: """
      mpirun -np 4 headimpact ground --model DIR --dataset refcoco_val.jsonl --images DIR --hi hi.h5 --top-heads 3 --corrected \
      --output places.json

      The mean attention of the heads, brought to the image's pixels and cut off at --threshold; the largest connected part is \
      the mask, and the box is the smallest round it. Boxes are scored as referring expression comprehension (IoU of at least 0.5), \
      masks as segmentation (mean and cumulative IoU). OUTPUT is in COCO's results format. Choose heads by other data than \
      those that they are scored on. Finished images are kept in OUTPUT.journal until the output is complete; after a kill, --resume \
      continues from there, on any number of ranks. OUTPUT.run identifies the run that made the output.
      """)

  @OptionGroup var loaded: ModelOptions
  @Option(
    help: ArgumentHelp(
      "A key-object dataset, or referring expressions as COCO's JSON or JSON lines (docs/grounding.md).",
      valueName: "file"))
  var dataset: String
  @OptionGroup var images: ImagesOption
  @Option(help: ArgumentHelp("The JSON file to write.", valueName: "file"))
  var output: String
  @Option(
    help: ArgumentHelp(
      "A folder to make with a page: pictures of what was found best and worst, with both boxes.", valueName: "dir"))
  var page: String?

  @Option(help: ArgumentHelp("The heads, e.g. 14.3,17.0 (layer 14, head 3; layer 17, head 0).", valueName: "list"))
  var heads: String?
  @Option(help: ArgumentHelp("A file of select --heads, whose heads are taken.", valueName: "file"))
  var selection: String?
  @Option(help: ArgumentHelp("The HDF5 file of a scoring run, whose best heads are taken.", valueName: "file"))
  var hi: String?
  @Option(help: ArgumentHelp("How many of the best heads of --hi to take.", valueName: "k"))
  var topHeads = 3
  @OptionGroup var ranked: RankedMeasureOptions

  @Option(
    help: ArgumentHelp(
      "Which pixels belong to the object: mean (above the mean), otsu, quantile:Q (above the quantile) or peak:S (at least this share of the highest).",
      valueName: "rule"))
  var threshold = ThresholdRule.mean
  @Option(help: ArgumentHelp("Smooth the attention by a Gaussian filter of this many cells.", valueName: "cells"))
  var sigma = 0.0
  @Option(help: "Take the largest connected part of these pixels, or all of them.")
  var parts = LocatingOptions.Parts.largest
  @Option(help: "Read attention from each token's own row, or from the row that predicts it.")
  var query = HeadImpactOptions.Query.token
  @OptionGroup var rows: NormalizeOption
  @OptionGroup var shown: ViewsOption

  @OptionGroup var measuring: MeasuringOptions

  func validate() throws {
    guard [heads, selection, hi].count(where: { $0 != nil }) == 1 else {
      throw ValidationError("Name the heads with one of --heads, --selection and --hi.")
    }
    try Judged.count(topHeads, "--top-heads")
    _ = try named()
    try Judged.values { try configured(model: fileURL(loaded.folder.model), []).validateOptions() }
  }

  var dependences: [Dependence] {
    Dependence.ranking("top-heads", of: hi) + [.salvage(resumes: measuring.running.resume)]
  }

  func run() throws {
    let configuration = try groundConfiguration()
    let summary = try Communicator.withStoppableWorld(silence: measuring.waiting.rules) {
      try GroundingJob(configuration, on: $0).run()
    }
    guard let summary else { return }
    switch measuring.printing.format {
    case .json: print(try jsonText(summary))
    case .table: print(GroundingTable(summary).text)
    }
    try measuring.skipping.check(summary.skips)
  }

  private func named() throws -> [Selection.Head] {
    guard let heads else { return [] }
    let named = try Judged.parts(heads, "--heads", such: "14.3,17.0").map { part in
      guard let head = Selection.Head(part) else {
        throw ValidationError("--heads: \"\(part)\" is not a head; write e.g. 14.3,17.0.")
      }
      return head
    }
    return try Judged.heads(named, "--heads")
  }

  /// The heads, and the `model_sha256` of the model that they were chosen for, if that is known.
  private func chosen() throws -> (heads: [Selection.Head], model: String?) {
    if let selection {
      let url = fileURL(selection)
      let found = try Selection(json: Data(JobInputs.read(url)), named: url.path)
      guard !found.heads.isEmpty else {
        throw JobError("\(url.path): names no head; make it with select --heads K")
      }
      return (found.heads, found.modelSHA256)
    }
    if let hi {
      let contents = try HeadImpactFile.read(fileURL(hi))
      return (
        try Selection.heads(of: contents.table, strategy: .top, measure: ranked.value, count: topHeads),
        contents.modelSHA256
      )
    }
    return (try named(), nil)
  }

  private func groundConfiguration() throws -> GroundConfiguration {
    let chosen = try chosen()
    return configured(model: try loaded.folder.url, chosen.heads, scored: chosen.model)
  }

  private func configured(model: URL, _ heads: [Selection.Head], scored: String? = nil) -> GroundConfiguration {
    var c = GroundConfiguration(
      model: model, dataset: fileURL(dataset), images: images.url, output: fileURL(output), heads: heads)
    c.take(loaded, chosenBy: selection ?? hi, scored: scored, measuring)
    c.page = page.map(fileURL)
    c.locating.threshold = threshold
    c.locating.sigma = sigma
    c.locating.parts = parts
    c.query = query
    c.normalize = rows.normalize
    c.views = shown.views
    return c
  }
}

/// What `ground` prints for people.
private struct GroundingTable {
  let summary: GroundingJob.Summary

  init(_ summary: GroundingJob.Summary) { self.summary = summary }

  var text: String {
    let scores = summary.scores
    let rows =
      [["score", "value", "95% interval", "whole image"]]
      + scores.rows.map { row($0.name, $0.score, $0.wholeImage) }
    let skipped = summary.skips.text.map { ", " + $0 } ?? ""
    let notFound = scores.notFound > 0 ? ", nothing found for \(scores.notFound)" : ""
    let page = summary.page.map { ", \($0)" } ?? ""
    let state = summary.isNew ? "" : "; it was already finished"
    return """
      \(aligned(rows))

      heads \(summary.heads.map(\.description).joined(separator: ", "))
      \(counted(scores.expressions, "expression"))\(skipped) of \(counted(scores.images, "image")), \(scores.masks) with a mask\(notFound) \
      -> \(summary.output)\(page)\(state)
      """
  }

  private func row(_ name: String, _ score: GroundingScores.Score, _ wholeImage: Double? = nil) -> [String] {
    let interval = [score.lower, score.upper].compactMap { $0.map { NumberText.plain($0) } }.joined(separator: " ")
    return [name, NumberText.plain(score.value), interval, wholeImage.map { NumberText.plain($0) } ?? ""]
  }
}

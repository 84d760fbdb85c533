import Figures
import Foundation
import HDF5Store
import HeadImpact
import IO
import RunSupport
import Scoring

/// What `score` prints: the heads that look at the object most, whether that is beyond chance, and where the file is.
struct ScoreTable {
  private static let shown = 8
  private let summary: ScoringJob.Summary
  private let table: HeadImpactTable
  private let beyondChance: BeyondChance?
  private let ranking: Ranking

  init(_ summary: ScoringJob.Summary, _ contents: HeadImpactFile.Contents) throws {
    self.summary = summary
    table = contents.table
    beyondChance = contents.beyondChance
    // A file of version 1 may be finished already: it has no corrected values.
    ranking = try Ranking(contents.table, by: RankedMeasure(.matched, isCorrected: contents.table.corrected != nil))
  }

  private var heads: [Row] {
    ranking.heads.prefix(Self.shown).map { head in
      let at = table.index(.matched, layer: head.layer, head: head.head)
      return Row(
        layer: head.layer, head: head.head, corrected: finite(table.corrected?.hi[at]),
        correctedStderr: finite(table.corrected?.stderr[at]), hi: table.hi[at], stderr: finite(table.stderr[at]),
        chance: table.chance[at], p: beyondChance?.p[at], pCorrected: beyondChance?.corrected[at],
        isBeyondChance: beyondChance?.isAbove(.matched, layer: head.layer, head: head.head, in: table),
        sinkShare: table.sinkShare[head.layer * table.heads + head.head])
    }
  }

  private func finite(_ value: Double?) -> Double? { value.flatMap { $0.isNaN ? nil : $0 } }

  /// How many of all heads are beyond chance; nil where the file doesn't say.
  private var countBeyondChance: Int? {
    beyondChance.map { beyond in
      ranking.heads.count { beyond.isAbove(.matched, layer: $0.layer, head: $0.head, in: table) }
    }
  }

  func print(as format: OutputFormat) throws {
    switch format {
    case .table: Swift.print(text)
    case .json: Swift.print(try json())
    }
  }

  private var text: String {
    let layers = ranking.layers.prefix(3).map { "\($0.layer) (\(NumberText.plain($0.score)))" }.joined(separator: ", ")
    let skipped = summary.skips.text.map { ", " + $0 } ?? ""
    let state = summary.isNew ? "" : "; it was already finished"
    return """
      \(aligned(rows))
      \(marks.map { "\n\($0)\n" } ?? "")
      Layers with the highest \(table.corrected == nil ? "HI" : "corrected HI"): \(layers)
      \(counted(summary.samples, "sample"))\(skipped), \(counted(table.layers, "layer")) x \(counted(table.heads, "head")) -> \(summary.output.path)\(state)
      """
  }

  private var rows: [[String]] {
    func number(_ value: Double?) -> String { value.map { NumberText.plain($0) } ?? "–" }
    guard table.corrected != nil else {
      return [["layer.head", "HI (matched)", "± s.e.", "chance", "sink share"]]
        + heads.map {
          ["\($0.layer).\($0.head)", number($0.hi), number($0.stderr), number($0.chance), number($0.sinkShare)]
        }
    }
    return [
      [
        "layer.head", "corrected HI (matched)", "± s.e.", "p (\(beyondChance?.correction.rawValue ?? "corrected"))",
        "HI", "chance", "sink share",
      ]
    ]
      + heads.map { row in
        [
          "\(row.layer).\(row.head)" + (row.isBeyondChance == true ? " *" : ""), number(row.corrected),
          number(row.correctedStderr), number(row.pCorrected), number(row.hi), number(row.chance),
          number(row.sinkShare),
        ]
      }
  }

  /// What the marks mean.
  private var marks: String? {
    guard let beyondChance, let count = countBeyondChance else { return nil }
    let all = table.layers * table.heads
    let test =
      "sign-flip test over images, p corrected by \(beyondChance.correction.rawValue) at most \(BeyondChance.level)"
    return count == 0
      ? "None of the \(all) heads is beyond chance (\(test))."
      : "* beyond chance (\(test)): \(count) of \(all) heads"
  }

  private func json() throws -> String {
    struct Report: Encodable {
      let output: String
      let samples: Int
      let skipped: Int
      let skips: SkipCounts
      let rankedBy: String
      let layers: [Layer]
      let heads: [Row]
      let headsBeyondChance: Int?
      let correction: String?
      let seconds: ScoringJob.EndSeconds?
    }
    struct Layer: Encodable {
      let layer: Int
      let score: Double?
    }
    return try jsonText(
      Report(
        output: summary.output.path, samples: summary.samples, skipped: summary.skips.skipped,
        skips: summary.skips, rankedBy: ranking.ranked.key,
        layers: ranking.layers.map { Layer(layer: $0.layer, score: finite($0.score)) }, heads: heads,
        headsBeyondChance: countBeyondChance, correction: beyondChance?.correction.rawValue, seconds: summary.end))
  }

  private struct Row: Encodable {
    let layer: Int
    let head: Int
    let corrected: Double?
    let correctedStderr: Double?
    let hi: Double
    let stderr: Double?
    let chance: Double
    let p: Double?
    let pCorrected: Double?
    let isBeyondChance: Bool?
    let sinkShare: Double
  }
}

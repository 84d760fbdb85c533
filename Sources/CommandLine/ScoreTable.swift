import Figures
import Foundation
import HDF5Store
import HeadImpact
import RunSupport
import Scoring

/// What `score` prints: the heads that look at the object most, and where the file is.
struct ScoreTable {
  private static let shown = 8
  private let summary: ScoringJob.Summary
  private let table: HeadImpactTable
  private let ranking: Ranking

  init(_ summary: ScoringJob.Summary, _ contents: HeadImpactFile.Contents) {
    self.summary = summary
    table = contents.table
    ranking = Ranking(contents.table, by: .matched)
  }

  private var heads: [Row] {
    ranking.heads.prefix(Self.shown).map { head in
      let at = table.index(.matched, layer: head.layer, head: head.head)
      return Row(
        layer: head.layer, head: head.head, hi: table.hi[at], stderr: table.stderr[at].isNaN ? nil : table.stderr[at],
        chance: table.chance[at], sinkShare: table.sinkShare[head.layer * table.heads + head.head])
    }
  }

  func print(as format: OutputFormat) throws {
    switch format {
    case .table: Swift.print(text)
    case .json: Swift.print(try json())
    }
  }

  private var text: String {
    var rows = [["layer.head", "HI (matched)", "± s.e.", "chance", "sink share"]]
    rows += heads.map { row in
      [
        "\(row.layer).\(row.head)", NumberText.plain(row.hi), row.stderr.map { NumberText.plain($0) } ?? "–",
        NumberText.plain(row.chance),
        NumberText.plain(row.sinkShare),
      ]
    }
    let layers = ranking.layers.prefix(3).map { "\($0.layer) (\(NumberText.plain($0.score)))" }.joined(separator: ", ")
    let skipped = summary.skips.text.map { ", " + $0 } ?? ""
    let state = summary.isNew ? "" : "; it was already finished"
    return """
      \(aligned(rows))

      Layers with the highest HI: \(layers)
      \(summary.samples) samples\(skipped), \(table.layers) layers x \(table.heads) heads -> \(summary.output.path)\(state)
      """
  }

  private func json() throws -> String {
    struct Report: Encodable {
      let output: String
      let samples: Int
      let skipped: Int
      let skips: SkipCounts
      let layers: [Layer]
      let heads: [Row]
      let seconds: ScoringJob.EndSeconds?
    }
    struct Layer: Encodable {
      let layer: Int
      let score: Double
    }
    return try jsonText(
      Report(
        output: summary.output.path, samples: summary.samples, skipped: summary.skips.skipped,
        skips: summary.skips,
        layers: ranking.layers.map { Layer(layer: $0.layer, score: $0.score) }, heads: heads,
        seconds: summary.end))
  }

  private struct Row: Encodable {
    let layer: Int
    let head: Int
    let hi: Double
    let stderr: Double?
    let chance: Double
    let sinkShare: Double
  }
}

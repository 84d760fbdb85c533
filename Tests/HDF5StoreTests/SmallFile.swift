import Foundation
import HDF5Store
import HeadImpact
import Testing

/// A results file of one layer of two heads over two samples, of 3 and 2 visual tokens.
struct SmallFile {
  static let ids = [10, 20]
  static let views: [Int: [ImageView]] = [
    10: [
      ImageView(kind: .tile, grid: ViewGrid(rows: 1, cols: 2), box: Cell(x0: 0, y0: 0.5, x1: 20, y1: 9)),
      ImageView(kind: .wholeImage, grid: ViewGrid(rows: 1, cols: 1), box: Cell(x0: 0, y0: 0, x1: 20, y1: 10)),
    ],
    20: [ImageView(kind: .wholeImage, grid: ViewGrid(rows: 1, cols: 2), box: Cell(x0: 0, y0: 0, x1: 8, y1: 4))],
  ]
  static let sources = [
    10: HeadImpactFile.Source(description: "a café’s ☕", fileName: "übung/1.jpg", width: 20, height: 10),
    20: HeadImpactFile.Source(description: "a\0b", fileName: "2.jpg", width: 8, height: 4),
  ]
  static let masks = [10: [true, false, true], 20: [false, true]]
  /// - Shape: [layer, head, visual]
  static let scores: [Int: [Float]] = [10: [0, 1, 2, 3, 4, 10], 20: [5, 6, 7, 20]]

  static func impact(_ id: Int) throws -> SampleImpact {
    let tokens = masks[id]?.count ?? 0
    // The second sample's mask is everywhere: chance is 1, and nothing can be said of it.
    return try SampleImpact(
      annotationID: id, imageID: id / 10, categoryID: id == 10 ? 7 : -1,
      tokens: SampleImpact.TokenCounts(
        sequence: 40, visual: tokens, caption: 4, mask: masks[id]?.count { $0 } ?? 0), layers: 1, heads: 2,
      hi: (0..<12).map { Double(id) / 20 * Double($0) / 12 },
      chance: [Double](repeating: id == 10 ? 0.5 : 1, count: 12), nosink: [Double](repeating: 1, count: 12),
      sinkShare: [0, 0.125])
  }

  var savesScores = false
  var system: String?
  var views = SmallFile.views
  var visualTokens = 5
  var skipped = [HeadImpactFile.Skipped(id: 7, kind: "mask", reason: "größe: 0 ☕")]

  func write(to url: URL) throws {
    let impacts = try Self.ids.map(Self.impact)
    var sums = HeadImpactAccumulator(layers: 1, heads: 2)
    for impact in impacts { try sums.add(impact) }
    try HeadImpactFile.write(
      to: url, table: sums.table(),
      statistics: HeadImpactStatistics(
        images: impacts.map { try ImageImpact(samples: [$0]) }, layers: 1, heads: 2, topLayers: 3, resamples: 10),
      samples: HeadImpactFile.Samples(ids: Self.ids, visualTokens: visualTokens) { id in
        HeadImpactFile.Row(
          impact: try #require(impacts.first { $0.annotationID == id }), source: try #require(Self.sources[id]),
          mask: try #require(Self.masks[id]), views: views[id] ?? [], scores: Self.scores[id] ?? [])
      },
      skipped: skipped,
      provenance: HeadImpactFile.Provenance(
        identity: ScoreIdentity(
          programVersion: "1", modelType: "qwen2_vl", modelSHA256: "aa", weightsSampleSHA256: "ee", adapterSHA256: nil,
          chatTemplateSHA256: "cc", modelFiles: "dd  config.json", datasetSHA256: "bb", system: system, prompt: "p",
          precision: "f32", resize: "torchvision", limit: nil, options: HeadImpactOptions(), savesScores: savesScores),
        modelName: "tiny", adapterName: nil, datasetName: "objects.json",
        categories: [HeadImpactFile.Category(id: 7, name: "tasse"), HeadImpactFile.Category(id: 9, name: "塔")],
        ranks: 1, secondsScoring: 1), replacing: true)
  }
}

import Figures
import Foundation
import HDF5Store
import HeadImpact

/// The report of a scoring run.
public struct HeadImpactReport {
  public struct Options: Sendable {
    /// Nil for the file's own.
    public var title: String?
    /// The measure by which heads are ranked.
    public var measure = Measure.matched
    /// How many of the best heads are marked, listed, and followed as samples are added.
    public var topHeads = 12
    /// Where samples' pictures and the names of categories come from.
    public var source: PictureSource?
    public var programVersion: String

    public init(programVersion: String) { self.programVersion = programVersion }
  }

  /// The page of a finished file.
  ///
  /// - Throws: `HDF5Error`, `HeadImpactError` or `ReportError` naming the file and what is wrong in it; `COCOError` or
  ///   `ImageError` of the dataset and its pictures.
  public static func page(of file: URL, _ options: Options) throws -> Page {
    return try HeadImpactFile.open(file) { reader in
      let input = try ReportInput(reader, options)
      return Page(
        title: options.title ?? reader.text("title") ?? "Head Impact", kind: "Head Impact report",
        summary: input.summary, sections: try sections(input),
        footer: "Made by headimpact \(options.programVersion) from \(file.lastPathComponent). "
          + "Head Impact is defined in arXiv 2511.23375.")
    }
  }

  /// The sections of a finished file, for a page that holds more than them.
  public static func sections(of file: URL, _ options: Options) throws -> [Section] {
    try HeadImpactFile.open(file) { try sections(ReportInput($0, options)) }
  }

  private static func sections(_ input: ReportInput) throws -> [Section] {
    [
      headSection(input), layerSection(input), measureSection(input), stabilitySection(input), sinkSection(input),
      categorySection(input), try sampleSection(input), provenanceSection(input),
    ]
  }
}

/// What the sections draw on: the file, the ranking, and what one pass over its samples gives.
struct ReportInput {
  let reader: HeadImpactReader
  let options: HeadImpactReport.Options
  let ranking: Ranking
  /// The best heads by the chosen measure.
  let topHeads: [Ranking.Head]
  let best: Ranking.Head
  /// HI of the best head in each sample.
  let bestBySample: [Double]
  let stability: TopKStability
  let dataset: ReportedDataset?

  var table: HeadImpactTable { reader.table }
  var measure: Measure { options.measure }
  var bestName: String { best.name }

  init(_ reader: HeadImpactReader, _ options: HeadImpactReport.Options) throws {
    let table = reader.table
    guard table.samples > 0 else { throw ReportError("\(reader.path): holds no sample, so there is nothing to report") }
    guard options.topHeads >= 1 else { throw ReportError("\(options.topHeads) heads can't be marked; at least 1 can") }
    self.reader = reader
    self.options = options
    ranking = Ranking(table, by: options.measure)
    topHeads = Array(ranking.heads.prefix(options.topHeads))
    guard let best = ranking.heads.first, best.score.isFinite else {
      throw ReportError("\(reader.path): no head has a finite HI by the measure \(options.measure.rawValue)")
    }
    self.best = best
    dataset = try options.source.map { try ReportedDataset($0, digest: reader.text("dataset_sha256"), of: reader.path) }

    let size = table.layers * table.heads
    let first = options.measure.index * size
    var stability = TopKStability(
      layers: table.layers, heads: table.heads, samples: table.samples, topLayers: reader.topLayers,
      topHeads: topHeads.count)
    var bestBySample: [Double] = []
    try reader.forEachSample { _, values in
      let start = values.startIndex + first
      stability.add(values[start..<(start + size)])
      bestBySample.append(Double(values[start + best.layer * table.heads + best.head]))
    }
    self.stability = stability
    self.bestBySample = bestBySample
  }

  /// "64 samples", for captions.
  var samples: String { NumberText.counted(table.samples, "sample") }
  var images: Int { Set(reader.samples.map(\.imageID)).count }

  func value(_ values: [Double], _ head: Ranking.Head) -> Double {
    values[table.index(measure, layer: head.layer, head: head.head)]
  }

  var summary: [String] {
    let error = value(table.stderr, best)
    let plusMinus = error.isFinite ? "\u{a0}±\u{a0}\(NumberText.number(error))" : ""
    let layers = listed(ranking.layers.prefix(reader.topLayers).map { "\($0.layer) (\(NumberText.number($0.score)))" })
    let skipped =
      reader.skipped.isEmpty ? "" : "; \(NumberText.counted(reader.skipped.count, "sample")) could not be used"
    return [
      "Of all heads, \(bestName) (layer \(best.layer), head \(best.head)) agrees most with the object’s mask: "
        + "HI \(NumberText.number(best.score))\(plusMinus) by the measure “\(measure.rawValue)”, where chance gives "
        + "\(NumberText.number(value(table.chance, best))). The layers with the highest mean HI are \(layers).",
      "\(samples) of \(NumberText.counted(images, "image")), \(NumberText.counted(table.layers, "layer")) of "
        + "\(NumberText.counted(table.heads, "head"))\(skipped).",
    ]
  }
}

extension Ranking.Head {
  /// As everywhere in this program: layer.head.
  var name: String { "\(layer).\(head)" }
}

extension Measure {
  /// What one sample's value is.
  var meaning: String {
    switch self {
    case .matched: "IoU of the object’s k visual tokens with the k that the head looks at most"
    case .mean: "IoU of the object’s visual tokens with those that the head looks at more than on average"
    case .otsu: "IoU of the object’s visual tokens with those at or above Otsu’s threshold of the attention"
    case .soft: "overlap of the object’s visual tokens with the attention itself, relative to its peak: Σ min / Σ max"
    case .mass: "share of the attention on visual tokens that lies on the object"
    case .pointing: "1 where the token that the head looks at most is the object’s, else 0"
    }
  }
}

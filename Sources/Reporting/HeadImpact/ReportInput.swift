import Figures
import HDF5Store
import HeadImpact

/// What the sections draw on: the file, the ranking, and what one pass over its samples gives.
struct ReportInput {
  let reader: HeadImpactReader
  let options: HeadImpactReport.Options
  /// Of the chosen measure.
  let scores: HeadScores
  let ranking: Ranking
  /// The best heads, and those of them that are framed in the map: beyond chance, where the file says.
  let topHeads: [Ranking.Head]
  let framed: [Ranking.Head]
  let best: Ranking.Head
  /// HI of the best head in each sample, and its chance there; the latter is empty if the file has none.
  let hiBySample: [Double]
  let chanceBySample: [Double]
  /// The same, corrected where the file has chance; NaN where a sample has no corrected value.
  let bestBySample: [Double]
  /// Nil for too few images or heads.
  let reliability: Reliability?
  /// Nil without the samples' chance.
  let sizeQuarters: SizeQuarters?
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
    let scores = HeadScores(options.measure, reader)
    self.scores = scores
    ranking = try Ranking(table, by: RankedMeasure(options.measure, isCorrected: scores.isCorrected))
    topHeads = Array(ranking.heads.prefix(options.topHeads))
    framed = topHeads.filter { scores.finding($0.layer * table.heads + $0.head).map { $0 == .above } ?? true }
    guard let best = ranking.heads.first, best.score.isFinite else {
      throw ReportError("\(reader.path): no head has a finite HI by the measure \(options.measure.rawValue)")
    }
    self.best = best
    dataset = try options.source?.dataset.map {
      try ReportedDataset($0, digest: reader.text("dataset_sha256"), of: reader.path)
    }

    var pass = SamplePass(reader, measure: options.measure, best: best, isCorrected: scores.isCorrected)
    try reader.forEachSampleWithChance { place, values, chance in pass.add(place, values, chance: chance) }
    (hiBySample, chanceBySample) = (pass.hi, pass.chance)
    bestBySample =
      scores.isCorrected ? zip(pass.hi, pass.chance).map { correctedForChance($0, chance: $1) ?? .nan } : pass.hi
    sizeQuarters = pass.quarters
    reliability = try pass.reliability(top: topHeads.count)
  }

  func scores(of measure: Measure) -> HeadScores { HeadScores(measure, reader) }

  // MARK: - Words

  /// "64 samples", for captions.
  var samples: String { NumberText.counted(table.samples, "sample") }
  var images: Int { Set(reader.samples.map(\.imageID)).count }
  var anySink: Bool { table.sinkShare.contains { $0 > 0 } }
  /// What `bestBySample` is.
  var sampleScore: String { scores.isCorrected ? "corrected HI" : "HI" }

  /// What shows when a head is pointed at.
  func note(layer: Int, head: Int) -> String {
    let index = layer * table.heads + head
    let at = table.index(measure, layer: layer, head: head)
    func text(_ value: Double) -> String { NumberText.number(value, decimals: 4) }
    let p = scores.pValues.map { ", p \(text($0[index]))" } ?? ""
    return
      "\(layer).\(head): \(scores.name) \(text(scores.values[index])), HI \(text(table.hi[at])), chance \(text(table.chance[at]))\(p)"
  }

  /// The model, the dataset, and how many samples.
  var title: String {
    let model = reader.text("adapter_name").map { "\(modelName) with \($0)" } ?? modelName
    let data = datasetName.map { " on \($0)" } ?? ""
    return "Head Impact of \(model)\(data), n\u{a0}=\u{a0}\(NumberText.grouped(table.samples))"
  }

  private var modelName: String { reader.text("model_name") ?? "a model" }

  private var datasetName: String? {
    options.source?.dataset?.lastPathComponent ?? reader.text("dataset_name")
  }

  var summary: [String] {
    let skipped =
      reader.skipped.isEmpty ? "" : "; \(NumberText.counted(reader.skipped.count, "sample")) could not be used"
    return [
      finding,
      "\(samples) of \(NumberText.counted(images, "image")), \(NumberText.counted(table.layers, "layer")) of "
        + "\(NumberText.counted(table.heads, "head"))\(skipped).",
    ]
  }

  /// What few images can't show, with the space before it.
  private var tooFew: String {
    guard scores.correction == .holm, let smallest = reader.beyondChance?.smallestHolm(images: images),
      smallest > BeyondChance.level
    else { return "" }
    return
      " These are too few images to tell: of \(NumberText.counted(images, "image")), even a head that is above chance in every one has "
      + "p = \(NumberText.number(smallest, decimals: 2))."
  }

  private var finding: String {
    let index = best.layer * table.heads + best.head
    let at = table.index(measure, layer: best.layer, head: best.head)
    let raw =
      "HI \(NumberText.number(table.hi[at])) by the measure “\(measure.rawValue)”, where chance gives \(NumberText.number(table.chance[at]))"
    guard let beyond = scores.beyondChance else {
      let lead = scores.isCorrected ? "\(scores.name) \(scores.interval(index)), " : ""
      return
        "Of all heads, \(bestName) (layer \(best.layer), head \(best.head)) agrees most with the object’s mask: \(lead)\(raw)."
    }
    let all = NumberText.counted(scores.values.count, "head")
    let value =
      "\(scores.name) \(scores.interval(index)), where 0 is chance and 1 perfect agreement with the object’s mask (\(raw))"
    guard beyond > 0 else {
      return
        "None of \(all) looks at the object more than chance would (p > \(NumberText.number(BeyondChance.level, decimals: 2)) after "
        + "\(scores.correction.rawValue)’s correction). The highest, \(bestName), has \(value); that may be chance too.\(tooFew)"
    }
    return
      "\(NumberText.grouped(beyond)) of \(all) \(beyond == 1 ? "looks" : "look") at the object more than chance would (p ≤ "
      + "\(NumberText.number(BeyondChance.level, decimals: 2)) after \(scores.correction.rawValue)’s correction). The best is \(bestName) (layer \(best.layer), head "
      + "\(best.head)): \(value)."
  }
}

/// What is collected in one pass over the samples.
private struct SamplePass {
  private(set) var hi: [Double] = []
  private(set) var chance: [Double] = []
  private(set) var quarters: SizeQuarters?
  private var images: [Int: ImageScores] = [:]
  private let samples: [HeadImpactReader.Sample]
  private let first: Int
  private let size: Int
  private let best: Int
  private let isCorrected: Bool

  init(_ reader: HeadImpactReader, measure: Measure, best: Ranking.Head, isCorrected: Bool) {
    size = reader.table.layers * reader.table.heads
    first = measure.index * size
    samples = reader.samples
    self.best = best.layer * reader.table.heads + best.head
    self.isCorrected = isCorrected
    if isCorrected {
      quarters = SizeQuarters(
        shares: samples.map { Double($0.tokens.mask) / Double(max(1, $0.tokens.visual)) }, heads: size)
    }
  }

  mutating func add(_ place: Int, _ values: ArraySlice<Float>, chance: ArraySlice<Float>?) {
    func own(_ values: ArraySlice<Float>) -> ArraySlice<Float> {
      values[(values.startIndex + first)..<(values.startIndex + first + size)]
    }
    let values = own(values)
    hi.append(Double(values[values.startIndex + best]))
    let chance = isCorrected ? chance.map(own) : nil
    if let chance {
      self.chance.append(Double(chance[chance.startIndex + best]))
      quarters?.add(sample: place, values, chance: chance)
    }
    images[samples[place].imageID, default: ImageScores(heads: size)].add(values, chance: chance)
  }

  /// Nil for too few images or heads.
  func reliability(top: Int) throws -> Reliability? {
    guard images.count >= 4, size >= 2 else { return nil }
    return try Reliability(images: images.sorted { $0.key < $1.key }.map(\.value), top: min(top, max(1, size / 2)))
  }
}

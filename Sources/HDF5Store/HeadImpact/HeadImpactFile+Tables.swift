import HeadImpact

extension HeadImpactFile {
  static let cube = ["measure", "layer", "head"]

  static func writeDimensions(
    _ file: HDF5File, _ table: HeadImpactTable, _ samples: Samples, _ categories: [Category]
  ) throws {
    try file.defineDimension("measure", values: table.measures.map(\.rawValue))
    try describe(file, "measure", "how attention is compared with the object's mask", units: "1")
    try file.defineDimension("layer", values: (0..<Int32(table.layers)).map { $0 })
    try describe(file, "layer", "decoder layer, from 0", units: "1")
    try file.defineDimension("head", values: (0..<Int32(table.heads)).map { $0 })
    try describe(file, "head", "attention head of the layer, from 0", units: "1")
    try file.defineDimension("sample", values: samples.ids.map { Int64($0) })
    try describe(file, "sample", "annotation id", units: "1")
    try file.defineDimension("bound", values: BootstrapIntervals.percentiles)
    try describe(file, "bound", "percentile of the bootstrap distribution", units: "percent")
    try file.defineDimension("category", values: categories.map { Int64($0.id) })
    try describe(file, "category", "id of a category of the dataset", units: "1")
    try file.write(categories.map { storable($0.name) }, to: "category_name", dimensions: ["category"])
    try describe(file, "category_name", "name of the category", units: "1")
    try file.defineDimension("token", length: samples.visualTokens)
    try describe(file, "token", "visual token, those of all samples one after another", units: "1")
  }

  static func writeTables(_ file: HDF5File, _ table: HeadImpactTable, _ intervals: BootstrapIntervals) throws {
    for (name, values, meaning) in [
      ("hi", table.hi, "Head Impact: agreement of the attention with the object's mask, mean over samples"),
      ("hi_stderr", table.stderr, "standard error of hi: sample standard deviation over the root of their number"),
      ("hi_chance", table.chance, "the same with the mask moved by every cyclic shift, averaged"),
      ("hi_nosink", table.nosink, "hi with the scores of sink tokens set to 0"),
    ] {
      try write(file, values, name, meaning, table)
    }
    try file.write(
      table.sinkShare, to: "sink_share", shape: [table.layers, table.heads], dimensions: ["layer", "head"])
    try describe(file, "sink_share", "share of the visual attention that sink tokens take", units: "1")
    try write(file, intervals, "hi", "", table)
  }

  /// What tells Head Impact from chance.
  static func writeEvidence(_ file: HDF5File, _ table: HeadImpactTable, _ statistics: HeadImpactStatistics) throws {
    guard let corrected = table.corrected else {
      throw HeadImpactError("\(file.path): a table without the values corrected for chance can't be written")
    }
    try write(
      file, corrected.hi, "hi_corrected",
      "Head Impact corrected for chance: mean over samples of (value - chance) / (1 - chance)", table)
    try write(file, corrected.stderr, "hi_corrected_stderr", "standard error of hi_corrected", table)
    try write(
      file, corrected.samples.map { Int32(clamping: $0) }, "hi_corrected_samples",
      "number of samples that hi_corrected is over: those whose chance is below 1", table)
    try write(file, statistics.correctedIntervals, "hi_corrected", "_corrected", table)
    let test = statistics.beyondChance
    for (name, values, meaning) in [
      ("p_value", test.p, "two-sided sign-flip test over images of hi against hi_chance"),
      ("p_holm", test.holm, "p_value corrected over the heads of its measure by Holm"),
      ("p_bh", test.benjaminiHochberg, "p_value corrected over the heads of its measure by Benjamini and Hochberg"),
    ] {
      try write(file, values, name, meaning, table)
    }
    try file.setAttribute(Self.markedBy, .string(test.correction.rawValue), of: "p_value")
    if let difference = test.difference {
      try write(
        file, difference, imageDifference,
        "mean over images of their samples' mean of hi - hi_chance: what p_value is a test of", table)
    }
  }

  /// The correction by which a head is marked, an attribute of `p_value`; files of older programs have none.
  static let markedBy = "marked_by"
  static let imageDifference = "image_difference"

  /// - Parameter ending: of the name of the layers' frequency.
  private static func write(
    _ file: HDF5File, _ intervals: BootstrapIntervals, _ name: String, _ ending: String, _ table: HeadImpactTable
  ) throws {
    try file.write(
      intervals.interval, to: "\(name)_interval",
      shape: [BootstrapIntervals.percentiles.count, table.measures.count, table.layers, table.heads],
      dimensions: ["bound"] + cube)
    try describe(file, "\(name)_interval", "95% interval of \(name), bootstrap over images", units: "1")
    let frequency = "layer_top_frequency\(ending)"
    try file.write(
      intervals.layerTopFrequency, to: frequency, shape: [table.measures.count, table.layers],
      dimensions: ["measure", "layer"])
    try describe(
      file, frequency,
      "share of the bootstrap resamples in which the layer is among the top \(intervals.topLayers) by \(name)",
      units: "1")
  }

  private static func write<T: HDF5Element>(
    _ file: HDF5File, _ values: [T], _ name: String, _ meaning: String, _ table: HeadImpactTable
  ) throws {
    try file.write(values, to: name, shape: [table.measures.count, table.layers, table.heads], dimensions: cube)
    try describe(file, name, meaning, units: "1")
  }

  static func writeSkipped(_ file: HDF5File, _ skipped: [Skipped]) throws {
    try file.defineDimension("/skipped/skipped", length: skipped.count)
    try describe(file, "/skipped/skipped", "sample that could not be used", units: "1")
    try file.write(skipped.map { Int64($0.id) }, to: "/skipped/id", dimensions: ["skipped"])
    try describe(file, "/skipped/id", "annotation ids of the samples that could not be used", units: "1")
    try file.write(skipped.map { storable($0.kind) }, to: "/skipped/kind", dimensions: ["skipped"])
    try describe(file, "/skipped/kind", "what of each of them could not be used", units: "1")
    try file.write(skipped.map { storable($0.reason) }, to: "/skipped/reason", dimensions: ["skipped"])
    try describe(file, "/skipped/reason", "why each of them could not be used", units: "1")
  }

  /// A text of the dataset without zero characters, which HDF5 can't store: each becomes U+FFFD.
  static func storable(_ text: String) -> String {
    text.utf8.contains(0)
      ? String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value == 0 ? "\u{FFFD}" : $0 })) : text
  }
}

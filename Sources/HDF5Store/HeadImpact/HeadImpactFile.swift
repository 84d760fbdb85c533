import Foundation
import HeadImpact

/// hi.h5, the results of a scoring run (docs/formats.md, "Head Impact").
public enum HeadImpactFile {
  /// What the file holds except its tables.
  public struct Provenance {
    let identity: ScoreIdentity
    let modelName: String
    /// nil without an adapter.
    let adapterName: String?
    let ranks: Int
    /// Time of the scoring itself, in seconds; without start-up and writing.
    let secondsScoring: Double

    public init(
      identity: ScoreIdentity, modelName: String, adapterName: String?, ranks: Int, secondsScoring: Double
    ) {
      self.identity = identity
      self.modelName = modelName
      self.adapterName = adapterName
      self.ranks = ranks
      self.secondsScoring = secondsScoring
    }
  }

  /// A sample that could not be used.
  public struct Skipped: Sendable, Equatable {
    /// The annotation's.
    public let id: Int
    /// What of it: a word for programs, as `mask`.
    public let kind: String
    /// A sentence for people.
    public let reason: String

    public init(id: Int, kind: String, reason: String) {
      self.id = id
      self.kind = kind
      self.reason = reason
    }
  }

  /// What one sample gives to the file.
  public struct Row {
    public let impact: SampleImpact
    public let views: [ImageView]
    public let scores: [Float]

    /// - Parameters:
    ///   - views: that hold the visual tokens, in their order.
    ///   - scores: [layer, head, visual]; empty if they aren't kept.
    public init(impact: SampleImpact, views: [ImageView], scores: [Float]) {
      self.impact = impact
      self.views = views
      self.scores = scores
    }
  }

  /// How the chunks of `sample_hi` are compressed: on threads, or on other ranks.
  public struct Compression {
    /// How many chunks are made at a time.
    let chunksAtATime: Int
    let compress: (_ chunks: [[Float]]) throws -> [CompressedChunk]

    public init(chunksAtATime: Int, _ compress: @escaping (_ chunks: [[Float]]) throws -> [CompressedChunk]) {
      precondition(chunksAtATime > 0)
      (self.chunksAtATime, self.compress) = (chunksAtATime, compress)
    }

    /// One after the other, on the calling thread.
    public static var serial: Compression {
      Compression(chunksAtATime: 1) { try $0.map { try CompressedChunk($0) } }
    }
  }

  /// Writes a temporary file and renames it when it is complete.
  ///
  /// - Parameters:
  ///   - samples: annotation ids, ascending.
  ///   - row: reads one sample's results, asked for in that order.
  ///   - skipped: samples that couldn't be used, ascending.
  ///   - replacing: whether a file of this name may be there, and is replaced.
  ///   - beforeNaming: called when all is written, and the file has no name yet; what it throws ends the writing.
  public static func write(
    to url: URL, table: HeadImpactTable, intervals: BootstrapIntervals, samples: [Int], row: (Int) throws -> Row,
    skipped: [Skipped], provenance: Provenance, replacing: Bool, compression: Compression = .serial,
    beforeNaming: () throws -> Void = {}
  ) throws {
    try HDF5File.write(to: url.path, replacing: replacing) { file in
      try writeDimensions(file, table, samples: samples)
      try writeTables(file, table, intervals)
      try writeSamples(
        file, table, samples: samples, row: row, savesScores: provenance.identity.savesScores, compression)
      try file.createGroup("/skipped")
      try file.write(skipped.map { Int64($0.id) }, to: "/skipped/id")
      try describe(file, "/skipped/id", "annotation ids of the samples that could not be used", units: "1")
      try file.write(skipped.map(\.kind), to: "/skipped/kind")
      try describe(file, "/skipped/kind", "what of each of them could not be used", units: "1")
      try file.write(skipped.map(\.reason), to: "/skipped/reason")
      try describe(file, "/skipped/reason", "why each of them could not be used", units: "1")
      try writeAttributes(file, provenance, skipped: skipped.count, topLayers: intervals.topLayers)
      try beforeNaming()
    }
  }

  static let cube = ["measure", "layer", "head"]

  private static func writeDimensions(_ file: HDF5File, _ table: HeadImpactTable, samples: [Int]) throws {
    try file.defineDimension("measure", values: table.measures.map(\.rawValue))
    try describe(file, "measure", "how attention is compared with the object's mask", units: "1")
    try file.defineDimension("layer", values: (0..<Int32(table.layers)).map { $0 })
    try describe(file, "layer", "decoder layer, from 0", units: "1")
    try file.defineDimension("head", values: (0..<Int32(table.heads)).map { $0 })
    try describe(file, "head", "attention head of the layer, from 0", units: "1")
    try file.defineDimension("sample", values: samples.map { Int64($0) })
    try describe(file, "sample", "annotation id", units: "1")
    try file.defineDimension("bound", values: BootstrapIntervals.percentiles)
    try describe(file, "bound", "percentile of the bootstrap distribution", units: "percent")
  }

  private static func writeTables(_ file: HDF5File, _ table: HeadImpactTable, _ intervals: BootstrapIntervals) throws {
    let shape = [table.measures.count, table.layers, table.heads]
    for (name, values, meaning) in [
      ("hi", table.hi, "Head Impact: agreement of the attention with the object's mask, mean over samples"),
      ("hi_stderr", table.stderr, "standard error of hi: sample standard deviation over the root of their number"),
      ("hi_chance", table.chance, "the same with the mask moved by every cyclic shift, averaged"),
      ("hi_nosink", table.nosink, "hi with the scores of sink tokens set to 0"),
    ] {
      try file.write(values, to: name, shape: shape, dimensions: cube)
      try describe(file, name, meaning, units: "1")
    }
    try file.write(
      table.sinkShare, to: "sink_share", shape: [table.layers, table.heads], dimensions: ["layer", "head"])
    try describe(file, "sink_share", "share of the visual attention that sink tokens take", units: "1")
    try file.write(
      intervals.interval, to: "hi_interval", shape: [BootstrapIntervals.percentiles.count] + shape,
      dimensions: ["bound"] + cube)
    try describe(file, "hi_interval", "95% interval of hi, bootstrap over images", units: "1")
    try file.write(
      intervals.layerTopFrequency, to: "layer_top_frequency", shape: [table.measures.count, table.layers],
      dimensions: ["measure", "layer"])
    try describe(
      file, "layer_top_frequency",
      "share of the bootstrap resamples in which the layer is among the top \(intervals.topLayers)", units: "1")
  }

  private static func writeSamples(
    _ file: HDF5File, _ table: HeadImpactTable, samples: [Int], row: (Int) throws -> Row, savesScores: Bool,
    _ compression: Compression
  ) throws {
    var impacts = try SampleColumn(file, table, samples: samples.count, compression)
    var imageIDs: [Int64] = []
    var categoryIDs: [Int64] = []
    var counts: [[Int32]] = [[], [], [], []]
    var views = ViewColumns()
    for id in samples {
      let row = try row(id)
      let impact = row.impact
      try impacts.append(impact.hi)
      imageIDs.append(Int64(impact.imageID))
      categoryIDs.append(Int64(impact.categoryID))
      let tokens = impact.tokens
      views.append(row.views, of: id, visualTokens: tokens.visual)
      for (place, count) in [tokens.sequence, tokens.visual, tokens.caption, tokens.mask].enumerated() {
        counts[place].append(Int32(count))
      }
      if savesScores {
        let name = "/scores/\(id)"
        try file.write(
          row.scores, to: name, shape: [table.layers, table.heads, tokens.visual], labels: ["layer", "head", "visual"],
          storage: .compressed())
        try describe(file, name, "attention score of each visual token, averaged over the caption", units: "1")
      }
    }
    try impacts.finish()
    for (name, values, meaning) in [
      ("image_id", imageIDs, "id of the sample's image"), ("category_id", categoryIDs, "id of the object's category"),
    ] {
      try file.write(values, to: name, dimensions: ["sample"])
      try describe(file, name, meaning, units: "1")
    }
    try views.write(to: file)
    for (name, values, meaning) in [
      ("sequence_tokens", counts[0], "tokens of the whole sequence"), ("visual_tokens", counts[1], "visual tokens"),
      ("caption_tokens", counts[2], "tokens of the description"),
      ("mask_tokens", counts[3], "visual tokens that the object covers"),
    ] {
      try file.write(values, to: name, dimensions: ["sample"])
      try describe(file, name, meaning, units: "1")
    }
  }

  private static func writeAttributes(
    _ file: HDF5File, _ provenance: Provenance, skipped: Int, topLayers: Int
  ) throws {
    let identity = provenance.identity
    let options = identity.options
    let subject = provenance.modelName + (provenance.adapterName.map { " with the adapter \($0)" } ?? "")
    var attributes: [(String, HDF5Attribute)] = [
      ("title", .string("Head Impact of \(subject)")), ("Conventions", "CF-1.8"),
      ("source", .string("headimpact \(identity.programVersion); definition: arXiv 2511.23375")),
      ("model_name", .string(provenance.modelName)), ("model_type", .string(identity.modelType)),
      ("model_sha256", .string(identity.modelSHA256)),
      ("weights_sample_sha256", .string(identity.weightsSampleSHA256)),
      ("chat_template_sha256", .string(identity.chatTemplateSHA256)),
      ("model_files_sha256", .string(identity.modelFiles)), ("dataset_sha256", .string(identity.datasetSHA256)),
      ("prompt", .string(identity.prompt)), ("precision", .string(identity.precision)),
      ("resize", .string(identity.resize)),
      ("limit", .integer(Int64(identity.limit ?? 0))), ("coverage", .double(options.coverage)),
      ("query", .string(options.query.rawValue)), ("normalize", .string(options.normalize.rawValue)),
      ("views", .string(options.views.rawValue)), ("sink_factor", .double(options.sinkFactor)),
      ("bootstrap_resamples", .integer(Int64(options.bootstrapResamples))),
      ("seed", .integer(Int64(bitPattern: options.seed))), ("top_layers", .integer(Int64(topLayers))),
      ("program_version", .string(identity.programVersion)),
      ("created", .string(ISO8601DateFormatter().string(from: Date()))),
      ("ranks", .integer(Int64(provenance.ranks))), ("samples_skipped", .integer(Int64(skipped))),
      ("seconds_scoring", .double(provenance.secondsScoring)),
    ]
    if let name = provenance.adapterName, let digest = identity.adapterSHA256 {
      attributes += [("adapter_name", .string(name)), ("adapter_sha256", .string(digest))]
    }
    if let system = identity.system { attributes.append(("system", .string(system))) }
    for (name, value) in attributes { try file.setAttribute(name, value) }
  }

  static func describe(_ file: HDF5File, _ name: String, _ meaning: String, units: String) throws {
    try file.setAttribute("long_name", .string(meaning), of: name)
    try file.setAttribute("units", .string(units), of: name)
  }
}

import Foundation
import HeadImpact

/// hi.h5, the results of a scoring run (docs/formats.md, "Head Impact").
public enum HeadImpactFile {
  /// The version of the format that is written. Version 1, which doesn't say so, is still read.
  public static let version = 2

  /// What the file holds except its numbers.
  public struct Provenance {
    let identity: ScoreIdentity
    let modelName: String
    /// nil without an adapter.
    let adapterName: String?
    let datasetName: String
    let categories: [Category]
    let ranks: Int
    /// Time of the scoring itself, in seconds; without start-up and writing.
    let secondsScoring: Double

    /// - Parameters:
    ///   - datasetName: the name of its file, without its folder.
    ///   - categories: of the dataset, ascending by id.
    public init(
      identity: ScoreIdentity, modelName: String, adapterName: String?, datasetName: String, categories: [Category],
      ranks: Int, secondsScoring: Double
    ) {
      (self.identity, self.modelName, self.adapterName) = (identity, modelName, adapterName)
      (self.datasetName, self.categories) = (datasetName, categories)
      (self.ranks, self.secondsScoring) = (ranks, secondsScoring)
    }
  }

  /// A category of the dataset.
  public struct Category: Sendable, Codable, Equatable {
    public let id: Int
    public let name: String

    public init(id: Int, name: String) { (self.id, self.name) = (id, name) }
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

  /// What a sample is of.
  public struct Source: Sendable, Equatable {
    /// As the model was told it.
    public let description: String
    /// Of the picture, below the folder of images.
    public let fileName: String
    /// Of the picture as the model sees it, upright. - Units: pixels.
    public let width: Int
    public let height: Int

    public init(description: String, fileName: String, width: Int, height: Int) {
      (self.description, self.fileName) = (description, fileName)
      (self.width, self.height) = (width, height)
    }
  }

  /// What one sample gives to the file.
  public struct Row {
    public let impact: SampleImpact
    public let source: Source
    /// - Shape: [visual]
    public let mask: [Bool]
    public let views: [ImageView]
    public let scores: [Float]

    /// - Parameters:
    ///   - mask: which visual tokens the object covers.
    ///   - views: that hold the visual tokens, in their order.
    ///   - scores: [layer, head, visual]; empty if they aren't kept.
    public init(impact: SampleImpact, source: Source, mask: [Bool], views: [ImageView], scores: [Float]) {
      (self.impact, self.source, self.mask) = (impact, source, mask)
      (self.views, self.scores) = (views, scores)
    }
  }

  /// The samples of a run, in the order of the file.
  public struct Samples {
    /// Of the annotations, ascending.
    let ids: [Int]
    /// Visual tokens of all of them together.
    let visualTokens: Int
    let row: (_ id: Int) throws -> Row

    /// - Parameter row: reads one sample's results, asked for in the order of `ids`.
    public init(ids: [Int], visualTokens: Int, row: @escaping (_ id: Int) throws -> Row) {
      (self.ids, self.visualTokens, self.row) = (ids, visualTokens, row)
    }
  }

  /// How chunks are compressed: on threads, or on other ranks.
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
  ///   - table: with the values corrected for chance.
  ///   - skipped: samples that couldn't be used, ascending.
  ///   - replacing: whether a file of this name may be there, and is replaced.
  ///   - beforeNaming: called when all is written, and the file has no name yet; what it throws ends the writing.
  /// - Throws: `HDF5Error` naming the file, `HeadImpactError` where tables or rows don't fit each other, and what the
  ///   closures throw.
  public static func write(
    to url: URL, table: HeadImpactTable, statistics: HeadImpactStatistics, samples: Samples, skipped: [Skipped],
    provenance: Provenance, replacing: Bool, compression: Compression = .serial, beforeNaming: () throws -> Void = {}
  ) throws {
    try HDF5File.write(to: url.path, replacing: replacing) { file in
      try writeDimensions(file, table, samples, provenance.categories)
      try writeTables(file, table, statistics.intervals)
      try writeEvidence(file, table, statistics)
      try writeSamples(file, table, samples, savesScores: provenance.identity.savesScores, compression)
      try writeSkipped(file, skipped)
      try writeAttributes(file, provenance, skipped: skipped.count, topLayers: statistics.intervals.topLayers)
      try beforeNaming()
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
      ("format_version", .integer(Int64(version))),
      ("source", .string("headimpact \(identity.programVersion); definition: arXiv 2511.23375")),
      ("model_name", .string(provenance.modelName)), ("model_type", .string(identity.modelType)),
      ("model_sha256", .string(identity.modelSHA256)),
      ("weights_sample_sha256", .string(identity.weightsSampleSHA256)),
      ("chat_template_sha256", .string(identity.chatTemplateSHA256)),
      ("model_files_sha256", .string(identity.modelFiles)), ("dataset_name", .string(provenance.datasetName)),
      ("dataset_sha256", .string(identity.datasetSHA256)),
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

import Foundation
import HeadImpact

extension HeadImpactFile {
  /// The tables of a finished file, and the model and adapter that they are of.
  public struct Contents: Sendable {
    /// Corrected values are nil in a file of version 1.
    public let table: HeadImpactTable
    /// Nil in a file of version 1.
    public let beyondChance: BeyondChance?
    /// Of the format.
    public let version: Int
    public let modelName: String?
    public let modelSHA256: String?
    /// nil if the model was scored without an adapter.
    public let adapterName: String?
    public let adapterSHA256: String?
  }

  /// Reads the tables back.
  ///
  /// - Throws: `HDF5Error` or `HeadImpactError` naming the file and what is wrong in it.
  public static func read(_ url: URL) throws -> Contents {
    try HDF5File.read(from: url.path) { file in
      func string(_ name: String) throws -> String? {
        if case .string(let value) = try file.attribute(name) { value } else { nil }
      }
      let table = try table(file)
      return Contents(
        table: table, beyondChance: try beyondChance(file, table), version: try version(of: file),
        modelName: try string("model_name"), modelSHA256: try string("model_sha256"),
        adapterName: try string("adapter_name"), adapterSHA256: try string("adapter_sha256"))
    }
  }

  /// Passes everything in a finished file to `body`; the values of its samples are read on demand.
  ///
  /// - Throws: `HDF5Error` or `HeadImpactError` naming the file and what is wrong in it, and what `body` throws.
  public static func open<R>(_ url: URL, _ body: (HeadImpactReader) throws -> R) throws -> R {
    try HDF5File.read(from: url.path) { file in try body(HeadImpactReader(file)) }
  }

  /// The version of a file's format.
  ///
  /// - Throws: for one that this program doesn't know.
  static func version(of file: HDF5File) throws -> Int {
    switch try file.attribute("format_version") {
    case nil: return 1
    case .integer(Int64(version)): return version
    case let other:
      let found = if case .integer(let number) = other { "\(number)" } else { "of another type" }
      throw HeadImpactError(
        "\(file.path): its attribute format_version is \(found); this program reads version \(version), and files without "
          + "it as version 1")
    }
  }

  /// - Throws: where the file isn't one of a scoring run, or its measures are others than this program's.
  static func table(_ file: HDF5File) throws -> HeadImpactTable {
    let version = try version(of: file)
    for name in ["measure", "layer", "head", "sample"] where try !file.exists(name) {
      throw HeadImpactError(
        "\(file.path): is not the file of a scoring run, as score and gather write it: it has no dataset \"\(name)\"")
    }
    let layers = try file.shape(of: "layer").first ?? 0
    let heads = try file.shape(of: "head").first ?? 0
    let measures = try file.readStrings("measure").values
    guard measures == Measure.allCases.map(\.rawValue) else {
      throw HeadImpactError(
        "\(file.path): /measure holds \(measures); this program knows \(Measure.allCases.map(\.rawValue))")
    }
    let shape: [Int?] = [measures.count, layers, heads]
    func cube(_ name: String) throws -> [Double] { try file.read(name, as: Double.self, shape: shape).values }
    let corrected =
      version < 2
      ? nil
      : CorrectedImpact(
        hi: try cube("hi_corrected"), stderr: try cube("hi_corrected_stderr"),
        samples: try file.read("hi_corrected_samples", as: Int32.self, shape: shape).values.map(Int.init))
    return try HeadImpactTable(
      layers: layers, heads: heads, samples: file.shape(of: "sample").first ?? 0, hi: cube("hi"),
      stderr: cube("hi_stderr"), chance: cube("hi_chance"), nosink: cube("hi_nosink"),
      sinkShare: file.read("sink_share", as: Double.self, shape: [layers, heads]).values, corrected: corrected)
  }

  /// Nil in a file of version 1.
  static func beyondChance(_ file: HDF5File, _ table: HeadImpactTable) throws -> BeyondChance? {
    guard try version(of: file) > 1 else { return nil }
    func cube(_ name: String) throws -> [Double] {
      try file.read(name, as: Double.self, shape: [table.measures.count, table.layers, table.heads]).values
    }
    return BeyondChance(
      layers: table.layers, heads: table.heads, p: try cube("p_value"), holm: try cube("p_holm"),
      benjaminiHochberg: try cube("p_bh"), correction: try correction(file, table),
      difference: try file.exists(imageDifference) ? cube(imageDifference) : nil)
  }

  private static func correction(_ file: HDF5File, _ table: HeadImpactTable) throws -> BeyondChance.Correction {
    guard let attribute = try file.attribute(markedBy, of: "p_value") else {
      return BeyondChance.Correction(withTenThousandFlips: table.layers * table.heads)
    }
    guard case .string(let name) = attribute, let correction = BeyondChance.Correction(rawValue: name) else {
      throw HeadImpactError(
        "\(file.path): the attribute \(markedBy) of /p_value names no correction that this program knows: it must be "
          + "\(BeyondChance.Correction.holm.rawValue) or \(BeyondChance.Correction.benjaminiHochberg.rawValue)")
    }
    return correction
  }
}

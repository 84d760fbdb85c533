import Foundation
import HeadImpact

extension HeadImpactFile {
  /// The tables of a finished file, and the model and adapter that they are of.
  public struct Contents: Sendable {
    public let table: HeadImpactTable
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
      return Contents(
        table: try table(file), modelName: try string("model_name"), modelSHA256: try string("model_sha256"),
        adapterName: try string("adapter_name"), adapterSHA256: try string("adapter_sha256"))
    }
  }

  /// Passes everything in a finished file to `body`; the values of its samples are read on demand.
  ///
  /// - Throws: `HDF5Error` or `HeadImpactError` naming the file and what is wrong in it, and what `body` throws.
  public static func open<R>(_ url: URL, _ body: (HeadImpactReader) throws -> R) throws -> R {
    try HDF5File.read(from: url.path) { file in try body(HeadImpactReader(file)) }
  }

  /// - Throws: where the file isn't one of a scoring run, or its measures are others than this program's.
  static func table(_ file: HDF5File) throws -> HeadImpactTable {
    let layers = try file.shape(of: "layer").first ?? 0
    let heads = try file.shape(of: "head").first ?? 0
    let measures = try file.readStrings("measure").values
    guard measures == Measure.allCases.map(\.rawValue) else {
      throw HeadImpactError(
        "\(file.path): /measure holds \(measures); this program knows \(Measure.allCases.map(\.rawValue))")
    }
    let shape: [Int?] = [measures.count, layers, heads]
    func cube(_ name: String) throws -> [Double] { try file.read(name, as: Double.self, shape: shape).values }
    return try HeadImpactTable(
      layers: layers, heads: heads, samples: file.shape(of: "sample").first ?? 0, hi: cube("hi"),
      stderr: cube("hi_stderr"), chance: cube("hi_chance"), nosink: cube("hi_nosink"),
      sinkShare: file.read("sink_share", as: Double.self, shape: [layers, heads]).values)
  }
}

import Foundation
import HeadImpact

extension HeadImpactFile {
  /// What images went through before files said it.
  private static let beforeResize = "pillow"

  /// The run that a finished file is of, and what of each sample that it skipped could not be used (empty if a file of
  /// an older version doesn't say).
  ///
  /// - Throws: `HDF5Error`, or `HeadImpactError` naming the attribute that is missing or not what this program writes.
  public static func origin(of url: URL) throws -> (identity: ScoreIdentity, skipped: [String]) {
    try HDF5File.read(from: url.path) { file in
      _ = try version(of: file)
      func wrong(_ name: String) -> HeadImpactError {
        HeadImpactError(
          "\(url.path): its attribute \(name) isn't that of a finished scoring run; choose another --output")
      }
      func string(_ name: String) throws -> String {
        guard case .string(let value) = try file.attribute(name) else { throw wrong(name) }
        return value
      }
      /// What files of older versions lack.
      func optional(_ name: String) throws -> String? {
        try file.attribute(name) == nil ? nil : try string(name)
      }
      func integer(_ name: String) throws -> Int64 {
        guard case .integer(let value) = try file.attribute(name) else { throw wrong(name) }
        return value
      }
      func double(_ name: String) throws -> Double {
        guard case .double(let value) = try file.attribute(name) else { throw wrong(name) }
        return value
      }
      func choice<T: RawRepresentable<String>>(_ name: String) throws -> T {
        guard let value = T(rawValue: try string(name)) else { throw wrong(name) }
        return value
      }
      var options = HeadImpactOptions()
      options.coverage = try double("coverage")
      options.query = try choice("query")
      options.normalize = try choice("normalize")
      options.views = try choice("views")
      options.sinkFactor = try double("sink_factor")
      options.bootstrapResamples = Int(try integer("bootstrap_resamples"))
      options.seed = UInt64(bitPattern: try integer("seed"))
      let adapter = try optional("adapter_sha256")
      let limit = Int(try integer("limit"))
      let identity = ScoreIdentity(
        programVersion: try string("program_version"), modelType: try string("model_type"),
        modelSHA256: try string("model_sha256"),
        weightsSampleSHA256: try optional("weights_sample_sha256") ?? "not recorded", adapterSHA256: adapter,
        chatTemplateSHA256: try optional("chat_template_sha256") ?? "not recorded",
        modelFiles: try optional("model_files_sha256") ?? "",
        datasetSHA256: try string("dataset_sha256"), system: try optional("system"), prompt: try string("prompt"),
        precision: try string("precision"),
        resize: try optional("resize") ?? beforeResize,
        limit: limit == 0 ? nil : limit, options: options, savesScores: try file.exists("/scores"))
      let count = try file.read("/skipped/id", as: Int64.self).values.count
      let kinds = try file.exists("/skipped/kind") ? file.readStrings("/skipped/kind").values : []
      return (identity, kinds.count == count ? kinds : [String](repeating: "", count: count))
    }
  }
}

import Foundation
import Safetensors
import Transformer
import VisionLanguage

/// Adapters in the folders of Hugging Face PEFT: adapter_config.json and adapter_model.safetensors.
public enum PEFTAdapter {
  /// Reads an adapter for a model, to run it with.
  ///
  /// - Parameter allowsNoChange: takes an adapter whose products B A are all zero: a fresh one, to be trained.
  /// - Throws: `PEFTError` with everything that is wrong, or `SafetensorsError` where the file is malformed.
  public static func load(
    folder: URL, for model: any VisionLanguageModel, allowsNoChange: Bool = false
  ) throws -> LowRankAdapter {
    try read(folder, for: model, allowsNoChange: allowsNoChange).adapter
  }

  /// Reads an adapter to train it further, which may be one that changes nothing yet.
  ///
  /// - Returns: also its configuration, with the layers and targets of its tensors, and the seed 0.
  public static func loadForTraining(
    folder: URL, for model: any VisionLanguageModel
  ) throws -> (adapter: LowRankAdapter, configuration: LoRAConfiguration) {
    let (adapter, read) = try read(folder, for: model, allowsNoChange: true)
    let sites = adapter.updates.map(\.site)
    let configuration = LoRAConfiguration(
      targets: Set(sites.map(\.projection)).sorted(), layers: Set(sites.map(\.layer)).sorted(), loraRank: read.rank,
      loraAlpha: read.alpha, dropout: read.dropout)
    return (adapter, configuration)
  }

  /// What tells one adapter from another: the SHA-256 of its adapter_config.json and that of its
  /// adapter_model.safetensors, with a space between.
  ///
  /// - Throws: an error that names the file, where one can't be read.
  public static func digest(of folder: URL) throws -> String {
    try [PEFTConfiguration.fileName, PEFTTensors.fileName]
      .map { try SHA256.hex(ofFile: folder.appendingPathComponent($0)) }.joined(separator: " ")
  }

  private static func read(
    _ folder: URL, for model: any VisionLanguageModel, allowsNoChange: Bool
  ) throws -> (adapter: LowRankAdapter, configuration: PEFTConfiguration) {
    let layers = model.decoder.layers
    let module = type(of: model).languageModelModule
    try requireFolder(folder)
    let configuration = try PEFTConfiguration(folder: folder)
    let tensors = try PEFTTensors(folder: folder, languageModelModule: module, layers: layers)
    var problems = configuration.problems + tensors.problems
    if configuration.problems.isEmpty {
      problems += disagreements(configuration, tensors, layers: layers, languageModelModule: module)
    }
    if tensors.pairs.isEmpty, problems.isEmpty {
      problems.append("\(PEFTTensors.fileName) holds no tensors, so the adapter changes nothing and can't be trained")
    }
    guard problems.isEmpty else { throw PEFTError(folder.path, problems) }

    let adapter = LowRankAdapter(
      tensors.pairs.map { ($0.module.site, $0.rank, configuration.scaling(of: $0.module, rank: $0.rank)) }, for: layers)
    var changes = false
    for pair in tensors.pairs {
      guard let update = adapter[pair.module.site] else { continue }
      let (a, b) = (tensors.floats(of: pair.a), tensors.floats(of: pair.b))
      for (place, value) in zip(update.a, a) { adapter.parameters[place] = value }
      for (place, value) in zip(update.b, b) { adapter.parameters[place] = value }
      changes = changes || update.scaling != 0 && a.contains { $0 != 0 } && b.contains { $0 != 0 }
    }
    guard changes || allowsNoChange else {
      throw PEFTError(
        folder.path, ["the adapter changes nothing: every product of its A, B and alpha is zero; has it been trained?"])
    }
    return (adapter, configuration)
  }

  /// Where the configuration and the tensors say different things.
  private static func disagreements(
    _ configuration: PEFTConfiguration, _ tensors: PEFTTensors, layers: [DecoderLayer], languageModelModule: String
  ) -> [String] {
    var problems: [String] = []
    for pair in tensors.pairs {
      let name = pair.module.site.module
      let rank = configuration.rank(of: pair.module)
      if rank != Double(pair.rank) {
        problems.append(
          "\(name): its tensors have rank \(pair.rank), but \(PEFTConfiguration.fileName) says "
            + "\(Int(exactly: rank).map(String.init) ?? "\(rank)") (`r` or `rank_pattern`)")
      }
      let scaling = configuration.scaling(of: pair.module, rank: pair.rank)
      if !scaling.isFinite { problems.append("\(name): its alpha makes a weight of \(scaling); it must be finite") }
      if !configuration.targets(pair.module) {
        problems.append("\(name): has tensors, but \(PEFTConfiguration.fileName) doesn't target it")
      }
    }
    guard configuration.namesTargets, !tensors.sites.isEmpty else { return problems }
    for layer in layers.indices {
      for projection in Projection.allCases {
        let site = LowRankAdapter.Site(layer: layer, projection: projection)
        let module = ModuleName(site, languageModelModule: languageModelModule, prefix: tensors.prefix)
        guard !tensors.sites.contains(site), configuration.targets(module) else { continue }
        problems.append("\(site.module): is targeted by \(PEFTConfiguration.fileName), but has no tensors")
      }
    }
    return problems
  }

  private static func requireFolder(_ folder: URL) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue else {
      throw PEFTError(
        folder.path,
        ["is no folder; an adapter is a folder with \(PEFTConfiguration.fileName) and \(PEFTTensors.fileName)"])
    }
  }
}

import Foundation
import IO
import Safetensors
import Transformer
import VisionLanguage

/// Adapters in the folders of Hugging Face PEFT: adapter_config.json and adapter_model.safetensors.
public enum PEFTAdapter {
  /// Reads an adapter for a model, to run it with: `model.apply` it.
  ///
  /// What PEFT 0.21 would apply is applied or refused: see docs/formats.md, Adapters.
  ///
  /// - Parameter allowsNoChange: takes an adapter that changes nothing: a fresh one, to be trained.
  /// - Throws: `PEFTError` with everything that is wrong, or `SafetensorsError` where the file is malformed.
  public static func load(
    folder: URL, for model: any VisionLanguageModel, allowsNoChange: Bool = false
  ) throws -> LowRankAdapter {
    try read(folder, for: model, allowsNoChange: allowsNoChange).parts.adapter
  }

  /// Reads an adapter to train it further, which may be one that changes nothing yet.
  ///
  /// - Returns: also its configuration, with the layers and targets of its tensors, and the seed 0.
  /// - Throws: as `load`; `PEFTError` too where it changes more than linear layers of the decoder by B A and magnitudes.
  public static func loadForTraining(
    folder: URL, for model: any VisionLanguageModel
  ) throws -> (adapter: LowRankAdapter, configuration: LoRAConfiguration) {
    let (parts, read) = try read(folder, for: model, allowsNoChange: true, trains: true)
    let adapter = parts.adapter
    guard parts.beyond.isEmpty else {
      let shown = parts.beyond.prefix(5).joined(separator: ", ")
      throw PEFTError(
        folder.path,
        [
          "can't be trained further, as it changes more than the decoder's linear layers by B A and magnitudes: \(shown)"
            + (parts.beyond.count > 5 ? " and \(parts.beyond.count - 5) more" : "")
        ])
    }
    guard !adapter.updates.isEmpty else {
      throw PEFTError(folder.path, ["can't be trained further, as it updates no linear layer of the decoder"])
    }
    let targets = adapter.updates.map(\.target)
    let configuration = LoRAConfiguration(
      targets: Set(targets.map(\.projection)).sorted(), layers: Set(targets.map(\.layer)).sorted(), loraRank: read.rank,
      loraAlpha: read.alpha, dropout: read.dropout, dividesByRoot: read.dividesByRoot,
      hasMagnitudes: adapter.hasMagnitudes)
    return (adapter, configuration)
  }

  /// What tells one adapter from another: the SHA-256 of its adapter_config.json and that of its
  /// adapter_model.safetensors, with a space between.
  ///
  /// - Throws: an error that names the file, where one can't be read.
  public static func digest(of folder: URL) throws -> String {
    try files(in: folder).map { try SHA256.hex(ofFile: $0) }.joined(separator: " ")
  }

  /// The files that an adapter is read from.
  public static func files(in folder: URL) -> [URL] {
    [PEFTConfiguration.fileName, PEFTTensors.fileName].map(folder.appendingPathComponent)
  }

  private static func read(
    _ folder: URL, for model: any VisionLanguageModel, allowsNoChange: Bool, trains: Bool = false
  ) throws -> (parts: PEFTParts, configuration: PEFTConfiguration) {
    try requireFolder(folder)
    let configuration = try PEFTConfiguration(folder: folder)
    let tensors = try PEFTTensors(folder: folder, model: model)
    var problems = configuration.problems
    problems.add(tensors.problems)
    if configuration.problems.texts.isEmpty { problems.add(PEFTDisagreements.find(configuration, tensors, model)) }
    if tensors.isEmpty, problems.texts.isEmpty {
      problems.add("\(PEFTTensors.fileName) holds no tensors, so the adapter changes nothing and can't be trained")
    }
    func refuse() -> PEFTError {
      PEFTError(
        folder.path, problems.texts,
        wayOut: problems.canBeMerged
          ? PEFTError.merging(adapter: folder.path, model: model.checkpoint.folder.path) : nil)
    }
    guard problems.texts.isEmpty else { throw refuse() }

    let parts = try PEFTParts(configuration, tensors, for: model, trains: trains)
    problems.add(parts.problems)
    guard problems.texts.isEmpty else { throw refuse() }
    guard parts.changes || allowsNoChange else {
      throw PEFTError(
        folder.path, ["the adapter changes nothing: every product of its A, B and alpha is zero; has it been trained?"])
    }
    return (parts, configuration)
  }

  private static func requireFolder(_ folder: URL) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue else {
      throw PEFTError(
        folder.path,
        ["is not a folder; an adapter is a folder with \(PEFTConfiguration.fileName) and \(PEFTTensors.fileName)"])
    }
  }
}

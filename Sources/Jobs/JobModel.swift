import Foundation
import Kernels
import LowRankAdaptation
import RunSupport
import Safetensors
import VisionLanguage

/// The model that a job runs, and its identity.
public struct JobModel {
  public let model: any VisionLanguageModel
  /// The threads that its arithmetic runs on.
  public let team: ThreadTeam
  /// Of the headers of the checkpoint's files.
  public let sha256: String
  /// Of sampled bytes of its weights.
  public let weightsSampleSHA256: String
  /// All that was read of the model and the adapter.
  public let watched: WatchedFiles
  /// The small files of its folder that affect numbers.
  public let files: ModelFiles
  public let input: InputOptions
  /// nil without an adapter.
  public let adapterSHA256: String?

  /// Reads the model.
  ///
  /// - Parameter generates: includes files that affect only generated texts.
  /// - Throws: errors of the folder.
  public init(_ configuration: some JobConfiguration, threads: Int, generates: Bool = false) throws {
    try self.init(configuration, threads: threads, generates: generates, adapter: nil, allowsNoChange: true)
  }

  /// Reads the model, and applies its adapter.
  ///
  /// - Parameters:
  ///   - generates: includes files that affect only generated texts.
  ///   - allowsNoChange: accepts an adapter that changes nothing.
  /// - Throws: errors of the folders.
  public init(
    _ configuration: some UnitJobConfiguration, threads: Int, generates: Bool = false, allowsNoChange: Bool
  ) throws {
    try self.init(
      configuration, threads: threads, generates: generates, adapter: configuration.adapter,
      allowsNoChange: allowsNoChange)
  }

  private init(
    _ c: some JobConfiguration, threads: Int, generates: Bool, adapter: URL?, allowsNoChange: Bool
  ) throws {
    var watched = try WatchedFiles(
      reading: ModelFiles.all(in: c.model, chatTemplate: c.input.chatTemplate) + (adapter.map(PEFTAdapter.files) ?? []))
    team = ThreadTeam(count: threads)
    let backend = try CPUBackend(precision: c.precision, team: team)
    model = try ModelRegistry.load(folder: c.model, input: c.input, backend: backend)
    if let adapter {
      model.apply(try PEFTAdapter.load(folder: adapter, for: model, allowsNoChange: allowsNoChange))
    }
    sha256 = try model.checkpoint.headerDigest()
    weightsSampleSHA256 = try model.checkpoint.sampleDigest()
    input = c.input
    files = try ModelFiles(folder: c.model, chatTemplate: c.input.chatTemplate, generates: generates)
    adapterSHA256 = try adapter.map(PEFTAdapter.digest)
    watched.add(model.checkpoint.files.map(\.file))
    try watched.requireSameNames()
    self.watched = watched
  }

  /// The first parts of the identity of a run of the model.
  public var identityParts: [(name: String, value: String)] {
    files.parts + input.parts + [
      ("program version", JobDefaults.programVersion), ("model type", model.modelType),
      ("model (SHA-256)", sha256), ("sampled weights (SHA-256)", weightsSampleSHA256),
      ("adapter (SHA-256)", adapterSHA256 ?? "none"),
    ]
  }

  /// Notes for the user about the model and its chat template.
  public func remarks(onAdapter adapter: URL?) -> [String] {
    model.remarks.general + model.chat.remarks(onAdapter: adapter)
      + (adapter.map { PEFTAdapter.remarks(onBaseOf: $0, model: model.checkpoint.folder) } ?? [])
  }
}

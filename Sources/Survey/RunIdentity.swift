import Foundation
import HeadImpact

/// Everything that a run's numbers depend on, and nothing else: a run may be resumed on other ranks, not with these
/// changed.
struct RunIdentity: Codable, Equatable, Sendable {
  var programVersion: String
  var modelType: String
  var modelSHA256: String
  var datasetSHA256: String
  var prompt: String
  var precision: String
  var limit: Int?
  var options: HeadImpactOptions
  var savesScores: Bool

  /// What a person calls each part, and its value here.
  private var parts: [(name: String, value: String)] {
    [
      ("program version", programVersion), ("model type", modelType), ("model (SHA-256)", modelSHA256),
      ("dataset (SHA-256)", datasetSHA256), ("--prompt", prompt), ("--precision", precision),
      ("--limit", limit.map(String.init) ?? "none"), ("--coverage", "\(options.coverage)"),
      ("--query", options.query.rawValue), ("--normalize", options.normalize.rawValue),
      ("--views", options.views.rawValue), ("--sink-factor", "\(options.sinkFactor)"),
      ("--bootstrap", "\(options.bootstrapResamples)"), ("--seed", "\(options.seed)"),
      ("--save-scores", "\(savesScores)"),
    ]
  }

  /// One line a difference; none where the two are the same run.
  func differences(from other: RunIdentity) -> [String] {
    zip(parts, other.parts).compactMap { mine, theirs in
      mine.value == theirs.value ? nil : "\(mine.name) was \(mine.value) and now is \(theirs.value)"
    }
  }

  func encode() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return Array(try encoder.encode(self))
  }

  init(
    programVersion: String, modelType: String, modelSHA256: String, datasetSHA256: String,
    configuration: ScoreConfiguration
  ) {
    self.init(
      programVersion: programVersion, modelType: modelType, modelSHA256: modelSHA256, datasetSHA256: datasetSHA256,
      prompt: configuration.prompt, precision: configuration.precision.rawValue, limit: configuration.limit,
      options: configuration.options, savesScores: configuration.savesScores)
  }

  init(
    programVersion: String, modelType: String, modelSHA256: String, datasetSHA256: String, prompt: String,
    precision: String, limit: Int?, options: HeadImpactOptions, savesScores: Bool
  ) {
    self.programVersion = programVersion
    self.modelType = modelType
    self.modelSHA256 = modelSHA256
    self.datasetSHA256 = datasetSHA256
    self.prompt = prompt
    self.precision = precision
    self.limit = limit
    self.options = options
    self.savesScores = savesScores
  }

  /// - Throws: `DecodingError` where the bytes are no identity.
  init(decoding bytes: [UInt8]) throws {
    self = try JSONDecoder().decode(Self.self, from: Data(bytes))
  }
}

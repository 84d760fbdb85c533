import HeadImpact

/// Everything that the numbers of a scoring run depend on.
public struct ScoreIdentity: Codable, Equatable, Sendable {
  public var programVersion: String
  public var modelType: String
  public var modelSHA256: String
  /// Of sampled bytes of the weights.
  public var weightsSampleSHA256: String
  /// As `PEFTAdapter.digest` has it; nil without an adapter.
  public var adapterSHA256: String?
  /// Of the chat template's text.
  public var chatTemplateSHA256: String
  /// SHA-256 and name of each small file of the model folder, one a line.
  public var modelFiles: String
  public var datasetSHA256: String
  /// The text of a system's turn before the user's; nil for no such turn.
  public var system: String?
  public var prompt: String
  public var precision: String
  /// Whose resize images went through.
  public var resize: String
  public var limit: Int?
  public var options: HeadImpactOptions
  public var savesScores: Bool

  public init(
    programVersion: String, modelType: String, modelSHA256: String, weightsSampleSHA256: String, adapterSHA256: String?,
    chatTemplateSHA256: String, modelFiles: String, datasetSHA256: String, system: String? = nil, prompt: String,
    precision: String,
    resize: String,
    limit: Int?, options: HeadImpactOptions, savesScores: Bool
  ) {
    self.programVersion = programVersion
    self.modelType = modelType
    self.modelSHA256 = modelSHA256
    self.weightsSampleSHA256 = weightsSampleSHA256
    self.adapterSHA256 = adapterSHA256
    self.chatTemplateSHA256 = chatTemplateSHA256
    self.modelFiles = modelFiles
    self.datasetSHA256 = datasetSHA256
    self.system = system
    self.prompt = prompt
    self.precision = precision
    self.resize = resize
    self.limit = limit
    self.options = options
    self.savesScores = savesScores
  }
}

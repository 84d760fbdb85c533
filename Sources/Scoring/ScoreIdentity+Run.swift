import HDF5Store
import HeadImpact
import RunSupport
import VisionLanguage

extension ScoreIdentity {
  var run: RunIdentity {
    let files = modelFiles.split(separator: "\n").map { line in
      let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
      return (name: "\(parts.last?.drop { $0 == " " } ?? "") (SHA-256)", value: String(parts.first ?? ""))
    }
    return RunIdentity(
      files + [
        ("program version", programVersion), ("model type", modelType), ("model (SHA-256)", modelSHA256),
        ("sampled weights (SHA-256)", weightsSampleSHA256),
        ("chat template (SHA-256)", chatTemplateSHA256),
        ("adapter (SHA-256)", adapterSHA256 ?? "none"),
        ("dataset (SHA-256)", datasetSHA256), ("--prompt", prompt), ("--precision", precision), ("--resize", resize),
        ("--limit", limit.map(String.init) ?? "none"), ("--coverage", "\(options.coverage)"),
        ("--query", options.query.rawValue), ("--normalize", options.normalize.rawValue),
        ("--views", options.views.rawValue), ("--sink-factor", "\(options.sinkFactor)"),
        ("--bootstrap", "\(options.bootstrapResamples)"), ("--seed", "\(options.seed)"),
        ("--save-scores", "\(savesScores)"),
      ] + (system.map { [("--system", $0)] } ?? []))
  }

  init(
    programVersion: String, modelType: String, modelSHA256: String, weightsSampleSHA256: String,
    adapterSHA256: String?, modelFiles: ModelFiles, datasetSHA256: String, configuration: ScoreConfiguration
  ) {
    self.init(
      programVersion: programVersion, modelType: modelType, modelSHA256: modelSHA256,
      weightsSampleSHA256: weightsSampleSHA256, adapterSHA256: adapterSHA256,
      chatTemplateSHA256: modelFiles.chatTemplateSHA256, modelFiles: modelFiles.listing,
      datasetSHA256: datasetSHA256, system: configuration.input.system, prompt: configuration.prompt,
      precision: configuration.precision.rawValue,
      resize: configuration.input.resizing.rawValue,
      limit: configuration.limit, options: configuration.options, savesScores: configuration.savesScores)
  }
}

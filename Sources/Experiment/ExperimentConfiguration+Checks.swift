import Decoding
import Demonstration
import Evaluation
import Foundation
import HeadImpact
import IO
import Kernels
import RunSupport
import VisionLanguage

extension ExperimentConfiguration {
  /// What the experiment reads, but for what it makes itself.
  var inputs: [URL] {
    let sources = [score.source] + tasks.flatMap { [$0.train, $0.test] } + (ablate.map { [$0.source] } ?? [])
    let paths =
      sources.flatMap { [$0.dataset, $0.images] + ($0.annotations.map { [$0] } ?? []) } + tasks.compactMap(\.references)
      + [model] + (chatTemplate.map { [$0] } ?? [])
    let own = fileURL(output).appendingPathComponent("demonstration").standardizedFileURL.path + "/"
    return paths.map(fileURL).filter { url in
      demonstration == nil || !(url.standardizedFileURL.path + "/").hasPrefix(own)
    }
  }

  /// What the jobs of the steps would refuse, found before the first of them begins.
  ///
  /// - Throws: `ExperimentError` with line and key.
  func checkNumbers(_ root: YAMLMap) throws {
    func possible(_ key: String, _ judge: () throws -> Void) throws {
      do { try judge() } catch {
        // Options are called as keys are here.
        let problem = "\(error)".replacing(/--([a-z-]+)/) { $0.1.replacing("-", with: "_") }
        throw root.wrong(key, "is not possible: \(problem)")
      }
    }
    try possible("score") { try score.options.validate() }
    try possible("threads") { try JobInputs.validate(threads: threads, limit: nil) }
    try possible("train") {
      let budget = ArmBudget(
        loraRank: train.loraRank, loraAlpha: train.loraAlpha, trainedParameters: 0, modelParameters: 0)
      try budget.configuration(self, ArmLayers(.all, layers: [], heads: [])).validate()
    }
    try possible("generate") { try decoding.validate() }
    let resamples = PairedComparison.resampleCounts
    guard resamples.contains(evaluate.resamples) else {
      throw root.wrong("evaluate", "is not possible: resamples is \(evaluate.resamples); it must be in \(resamples)")
    }
    let scenes = [demonstration?.trainScenes, demonstration?.testScenes].compactMap { $0 }
    if let scenes = scenes.first(where: { $0 > DemoDataset.mostScenes }) {
      throw root.wrong("demonstration", "asks for \(scenes) scenes; it must be at most \(DemoDataset.mostScenes)")
    }
  }

  /// How texts are generated.
  var decoding: DecodingOptions {
    var options = DecodingOptions()
    options.maxNewTokens = generate.maxNewTokens
    options.beams = generate.beams
    options.repetitionPenalty = generate.repetitionPenalty
    options.batch = generate.batch
    options.seed = UInt64(seed)
    return options
  }

  /// Checks, before anything is scored, that the model has as many layers and heads as are asked for, and that no two arms draw
  /// the same layers.
  ///
  /// - Throws: `ExperimentError` naming the key; what loading the model throws.
  func checkArms() throws {
    let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 1))
    let model = try ModelRegistry.load(folder: try modelFolder(), input: input, backend: backend)
    try checkArms(layers: model.decoder.layers.count, heads: model.numAttentionHeads)
  }

  /// - Parameter heads: of each layer.
  func checkArms(layers: Int, heads: Int) throws {
    func check(_ key: String, _ asked: Int, atMost all: Int, _ has: String) throws {
      guard asked > all else { return }
      throw ExperimentError("\(key) is \(asked), and the model \(model) has \(has): it must be in 1...\(all)")
    }
    let all = "\(layers) layers of \(heads) heads"
    if arms.contains(where: { ![.pretrained, .all].contains($0) }) {
      try check("select.layers", select.layers, atMost: layers, "\(layers) layers")
    }
    if arms.contains(.topHeads) { try check("select.heads", select.heads, atMost: layers * heads, all) }
    try check("ablate.heads", ablate?.heads.max() ?? 1, atMost: layers * heads, all)
    var drawn: [[Int]: Arm] = [:]
    for arm in arms {
      guard case .random(let seed) = arm else { continue }
      let own = Selection.drawn(select.layers, of: layers, seed: seed)
      if let twin = drawn.updateValue(arm, forKey: own) {
        throw ExperimentError(
          "the arms \(twin.name) and \(arm.name) draw the same layers (\(own.map(String.init).joined(separator: ", "))): "
            + "give one of them another seed, and continue with --resume")
      }
    }
  }
}

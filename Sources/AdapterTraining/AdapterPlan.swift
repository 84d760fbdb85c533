import Foundation
import HeadImpact
import LowRankAdaptation
import Transformer
import VisionLanguage

/// The adapter that a run trains: new, or read, and which of its numbers may change.
struct AdapterPlan {
  let adapter: LowRankAdapter
  let lora: LoRAConfiguration
  /// Empty where whole layers are trained.
  let heads: [Selection.Head]
  let free: [Range<Int>]
  /// Of the adapter as training begins.
  let initialChecksum: UInt32

  /// Numbers that are trained.
  var trained: Int { free.reduce(0) { $0 + $1.count } }

  /// - Throws: `LowRankAdaptationError` where what is asked for doesn't fit the model or itself.
  init(_ configuration: TrainConfiguration, model: any VisionLanguageModel) throws {
    let layers = model.decoder.layers
    heads = configuration.heads ?? []
    if let folder = configuration.initialAdapter {
      let loaded = try PEFTAdapter.load(folder: folder, for: model, allowsNoChange: true)
      func refuse(_ option: String) -> LowRankAdaptationError {
        LowRankAdaptationError("\(option) differs from the adapter in \(folder.path), which --init takes it from: leave it out")
      }
      let found = loaded.configuration
      if let rank = configuration.loraRank, rank != found.loraRank { throw refuse("--lora-rank") }
      if let alpha = configuration.loraAlpha, alpha != found.loraAlpha { throw refuse("--lora-alpha") }
      if let targets = configuration.targets, targets.sorted() != found.targets { throw refuse("--targets") }
      if let layers = configuration.layers, layers.sorted() != found.layers { throw refuse("--layers (or --selection)") }
      guard PEFTAdapter.isUniform(loaded.adapter) else {
        throw LowRankAdaptationError(
          "\(folder.path): its updates have several ranks or factors (rank_pattern, alpha_pattern); --init needs one of each")
      }
      lora = try LoRAConfiguration(
        layers: found.layers, targets: found.targets, loraRank: loaded.adapter.updates[0].rank,
        loraAlpha: Double(loaded.adapter.updates[0].scaling) * Double(loaded.adapter.updates[0].rank),
        dropout: configuration.dropout)
      adapter = loaded.adapter
    } else {
      let rank = configuration.loraRank ?? 8
      lora = try LoRAConfiguration(
        layers: configuration.layers ?? Array(Set(heads.map(\.layer))),
        targets: configuration.targets ?? TrainConfiguration.defaultTargets, loraRank: rank,
        loraAlpha: configuration.loraAlpha ?? Double(2 * rank), dropout: configuration.dropout)
      adapter = try lora.makeAdapter(for: layers, seed: configuration.seed)
    }
    if heads.isEmpty {
      free = [0..<adapter.count]
    } else {
      let mask = try HeadMask(heads, of: adapter, layers: layers)
      mask.apply(to: adapter)
      free = mask.freeParameters
    }
    initialChecksum = adapter.checksum
  }

  func write(
    _ adapter: LowRankAdapter, for model: any VisionLanguageModel, baseModel: String, into folder: URL
  ) throws {
    try PEFTAdapter.write(adapter, configuration: lora, for: model, baseModel: baseModel, into: folder)
  }
}

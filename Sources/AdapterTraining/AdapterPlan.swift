import Foundation
import HeadImpact
import LowRankAdaptation
import Transformer
import VisionLanguage

/// The adapter that a run trains: new, or read, and which of its numbers may change.
struct AdapterPlan {
  let adapter: LowRankAdapter
  let lora: LoRAConfiguration
  /// Empty if whole layers are trained.
  let heads: [Selection.Head]
  let trainable: [Range<Int>]
  /// Of the adapter as training begins.
  let initialChecksum: UInt32

  /// Numbers that are trained.
  var trained: Int { trainable.reduce(0) { $0 + $1.count } }

  /// - Throws: `LowRankAdaptationError` if what is asked for doesn't fit the model or itself.
  init(_ configuration: TrainConfiguration, model: any VisionLanguageModel) throws {
    let layers = model.decoder.layers
    heads = configuration.heads ?? []
    let chosen = try configuration.layers?.layers(of: layers.count)
    if let folder = configuration.initialAdapter {
      var loaded = try PEFTAdapter.loadForTraining(folder: folder, for: model)
      func refuse(_ option: String) -> LowRankAdaptationError {
        LowRankAdaptationError(
          "\(option) differs from the adapter in \(folder.path), given by --init: omit the option")
      }
      let found = loaded.configuration
      if let rank = configuration.loraRank, rank != found.loraRank { throw refuse("--lora-rank") }
      if let alpha = configuration.loraAlpha, alpha != found.loraAlpha { throw refuse("--lora-alpha") }
      if let targets = configuration.targets, targets.sorted() != found.targets { throw refuse("--targets") }
      if let chosen, chosen.sorted() != found.layers {
        throw refuse("--layers (or --selection)")
      }
      if let root = configuration.dividesByRoot, root != found.dividesByRoot { throw refuse("--rslora") }
      if let dora = configuration.hasMagnitudes, dora != found.hasMagnitudes { throw refuse("--dora") }
      if found.hasMagnitudes, configuration.dropout > 0 {
        throw LowRankAdaptationError("--dropout is \(configuration.dropout), and DoRA is trained without: omit it")
      }
      loaded.configuration.dropout = configuration.dropout
      lora = loaded.configuration
      adapter = loaded.adapter
    } else {
      let rank = configuration.loraRank ?? 8
      let named = chosen ?? HeadMask.layers(of: heads)
      lora = LoRAConfiguration(
        targets: configuration.targets ?? TrainConfiguration.defaultTargets, layers: named, loraRank: rank,
        loraAlpha: configuration.loraAlpha ?? 2 * Double(rank), dropout: configuration.dropout,
        seed: configuration.seed,
        dividesByRoot: configuration.dividesByRoot ?? false, hasMagnitudes: configuration.hasMagnitudes ?? false
      )
      adapter = try lora.makeAdapter(for: model)
    }
    if adapter.hasMagnitudes, !heads.isEmpty {
      throw LowRankAdaptationError(
        "--heads and --dora exclude each other: a magnitude scales what all heads of a layer give, not that of one")
    }
    if heads.isEmpty {
      trainable = adapter.trainableParameters
    } else {
      let mask = try HeadMask(heads: heads, adapter: adapter, layers: layers)
      mask.apply(to: adapter)
      trainable = mask.trainableParameters
    }
    initialChecksum = adapter.checksum
  }
}

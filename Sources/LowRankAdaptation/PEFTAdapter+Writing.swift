import Foundation
import IO
import Safetensors
import Transformer
import VisionLanguage

extension PEFTAdapter {
  /// Refuses a folder that `write` wouldn't replace; one that isn't there is well.
  ///
  /// - Throws: `LowRankAdaptationError` naming the folder.
  public static func requireReplaceable(_ folder: URL) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder) else { return }
    guard isFolder.boolValue else {
      throw LowRankAdaptationError("\(folder.path): is a file; the adapter needs a folder")
    }
    if let reason = try AdapterFolder.refusal(toReplace: folder) {
      throw LowRankAdaptationError("\(folder.path): \(reason)")
    }
  }

  /// Writes an adapter as PEFT 0.21 does. The folder appears in one step; one that is there is replaced, unless it
  /// holds files that the new one has none for.
  ///
  /// - Parameters:
  ///   - configuration: of rank, alpha and dropout; updates of another rank or weight become patterns.
  ///   - base: for the reader, and for PEFT's `AutoPeftModel`.
  ///   - alongside: writes more files into the folder before it appears.
  /// - Throws: `LowRankAdaptationError`, `FolderError` or `SafetensorsError`, and what `alongside` throws; an old folder
  ///   is untouched then.
  public static func write(
    _ adapter: LowRankAdapter, configuration: LoRAConfiguration, for model: any VisionLanguageModel,
    base: BaseModelName,
    to folder: URL, alongside: (URL) throws -> Void = { _ in }
  ) throws {
    precondition(adapter.parts.isEmpty, "parts that can't be trained are never written")
    guard !adapter.updates.isEmpty else {
      throw LowRankAdaptationError("\(folder.path): the adapter updates no layer; there is nothing to write")
    }
    let numbers = adapter.values
    if let place = numbers.firstIndex(where: { !$0.isFinite }) {
      let target = adapter.updates.first { ($0.magnitude ?? $0.b).upperBound > place }?.target.module ?? ""
      throw LowRankAdaptationError(
        "\(folder.path): \(target) holds \(numbers[place]), which is never written")
    }
    let module = type(of: model).languageModelModule
    let text = try JSONSerialization.data(
      withJSONObject: values(adapter, configuration, base: base, languageModelModule: module),
      options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    let tensors = adapter.updates.flatMap { update in
      let name = "base_model.model.\(module.modulePath(update.target))"
      return [
        TensorData(
          name: "\(name).lora_A.weight", shape: [update.rank, update.inputs],
          values: Array(numbers[update.a])),
        TensorData(
          name: "\(name).lora_B.weight", shape: [update.outputs, update.rank],
          values: Array(numbers[update.b])),
      ]
        + (update.magnitude.map {
          [TensorData(name: "\(name).lora_magnitude_vector", shape: [update.outputs], values: Array(numbers[$0]))]
        } ?? [])
    }
    try AdapterFolder.write(to: folder) { aside in
      try alongside(aside)
      try WholeFolder.write(text + Data("\n".utf8), to: aside.appendingPathComponent(PEFTConfiguration.fileName))
      try writeSafetensors(
        tensors, metadata: ["format": "pt"], to: aside.appendingPathComponent(PEFTTensors.fileName))
    }
  }

  private static func values(
    _ adapter: LowRankAdapter, _ configuration: LoRAConfiguration, base: BaseModelName, languageModelModule: String
  ) -> [String: Any] {
    // Whole names: a shorter one could be that of a module of some vision tower too.
    let modules = adapter.updates.map { languageModelModule.modulePath($0.target) }
    var ranks: [String: Any] = [:]
    var alphas: [String: Any] = [:]
    for update in adapter.updates {
      let name = languageModelModule.modulePath(update.target)
      if update.rank != configuration.loraRank { ranks[name] = update.rank }
      if update.scaling != configuration.scaling(rank: update.rank) {
        let rank = Double(update.rank)
        alphas[name] = number(Double(update.scaling) * (configuration.dividesByRoot ? rank.squareRoot() : rank))
      }
    }
    return [
      "alpha_pattern": alphas, "auto_mapping": NSNull(), "base_model_name_or_path": base.name, "bias": "none",
      "exclude_modules": NSNull(), "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true,
      "layers_pattern": NSNull(), "layers_to_transform": NSNull(), "lora_alpha": number(configuration.loraAlpha),
      "lora_bias": false, "lora_dropout": number(configuration.dropout), "modules_to_save": NSNull(),
      "peft_type": "LORA", "r": configuration.loraRank, "rank_pattern": ranks, "revision": base.revision ?? NSNull(),
      "target_modules": modules,
      "task_type": "CAUSAL_LM", "use_dora": adapter.hasMagnitudes, "use_rslora": configuration.dividesByRoot,
    ]
  }

  /// A whole number as one: `8`, as PEFT's users write alpha.
  private static func number(_ value: Double) -> Any { Int(exactly: value) ?? value }
}

extension String {
  /// A linear layer's whole name below the model, this being the language model's module.
  fileprivate func modulePath(_ target: LoRATarget) -> String { "model.\(self).\(target.module)" }
}

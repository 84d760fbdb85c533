import Foundation
import Safetensors
import TestSupport
import Testing
import Transformer
import VisionLanguage

@testable import LowRankAdaptation

/// A family whose vision tower has modules of the decoder's names, `q_proj` in `encoder.layers.<i>.self_attn` or in
/// `encoder.layer.<i>.attention`, and PEFT's adapter of the decoder alone (tools/goldens/training).
struct TowerCase: Sendable, CustomStringConvertible {
  static let all = [
    TowerCase(
      name: "smolvlm", layers: [0, 2], targets: [.query, .value, .up], decoder: "model.text_model",
      tower: "model.vision_model"),
    TowerCase(
      name: "internvl", layers: [0, 2], targets: [.query, .value, .up], tower: "model.vision_tower",
      towerModule: "encoder.layer.0.attention.q_proj"),
    TowerCase(name: "paligemma", layers: [0, 2], targets: [.query, .value, .up], tower: "model.vision_tower"),
    TowerCase(name: "gemma3", layers: [1, 2], targets: [.query, .value, .up], tower: "model.vision_tower"),
    TowerCase(name: "llava_onevision", layers: [0, 2], targets: [.query, .value, .up], tower: "model.vision_tower"),
    TowerCase(name: "llava_next", layers: [1, 2], targets: [.key, .output, .down], tower: "model.vision_tower"),
  ]

  let name: String
  let layers: [Int]
  let targets: Set<Projection>
  var decoder = "model.language_model"
  let tower: String
  /// Below the tower.
  var towerModule = "encoder.layers.0.self_attn.q_proj"

  var description: String { name }
  var golden: URL { Repository.root.appendingPathComponent("Tests/AdapterTrainingTests/Goldens/\(name)/init") }
}

@Suite("Adapters where the vision tower has modules of the same names")
struct VisionTowerTests {
  @Test("PEFT's adapter of the decoder is read, by its regular expression for whole names", arguments: TowerCase.all)
  func reading(_ family: TowerCase) throws {
    let (adapter, configuration) = try PEFTAdapter.loadForTraining(folder: family.golden, for: tiny(family.name))
    #expect(configuration.layers == family.layers && configuration.loraRank == 2 && configuration.loraAlpha == 4)
    #expect(Set(configuration.targets) == family.targets)
    #expect(adapter.updates.count == family.layers.count * family.targets.count)
  }

  @Test("names from before transformers 4.52 are read too", arguments: TowerCase.all.filter { $0.name != "smolvlm" })
  func oldNames(_ family: TowerCase) throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(copying: family.golden, in: scratch)
      try copy.edit(["target_modules": family.targets.map(\.rawValue).sorted(), "layers_to_transform": family.layers])
      try copy.changeTensors { tensors in
        tensors = tensors.map { $0.named($0.name.replacing(".model.language_model.", with: ".language_model.model.")) }
      }
      let model = try tiny(family.name)
      let old = try PEFTAdapter.load(folder: copy.url, for: model)
      let today = try PEFTAdapter.load(folder: family.golden, for: model)
      #expect(old.updates.map(\.target) == today.updates.map(\.target) && old.values == today.values)
    }
  }

  @Test(
    "what is written names the text model's modules in whole, which no module of the tower has",
    arguments: TowerCase.all)
  func writing(_ family: TowerCase) throws {
    try ScratchFolder.with { scratch in
      let model = try tiny(family.name)
      let configuration = LoRAConfiguration(
        targets: [.query, .output], layers: [1], loraRank: 2, loraAlpha: 4, dropout: 0)
      let adapter = try configuration.makeAdapter(for: model)
      adapter.fill()
      let folder = scratch.file("adapter")
      try PEFTAdapter.write(
        adapter, configuration: configuration, for: model,
        base: BaseModelName(folder: URL(fileURLWithPath: "/models/tiny")), to: folder)
      let data = try Data(contentsOf: folder.appendingPathComponent("adapter_config.json"))
      let values = try #require(try JSONSerialization.jsonObject(with: data) as? NSDictionary)
      let modules = ["q_proj", "o_proj"].map { "\(family.decoder).layers.1.self_attn.\($0)" }
      #expect(values["target_modules"] as? [String] == modules)
      #expect(values["layers_to_transform"] is NSNull && values["layers_pattern"] is NSNull)
      let file = try SafetensorsFile(contentsOf: folder.appendingPathComponent("adapter_model.safetensors"))
      #expect(
        Set(file.tensors.keys)
          == Set(modules.flatMap { name in ["A", "B"].map { "base_model.model.\(name).lora_\($0).weight" } }))
    }
  }

  @Test("an adapter that adapts the tower too is refused, saying so", arguments: TowerCase.all)
  func tower(_ family: TowerCase) throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(copying: family.golden, in: scratch)
      try copy.edit(["target_modules": family.targets.map(\.rawValue).sorted()])
      let module = "\(family.tower).\(family.towerModule)"
      try copy.changeTensors { tensors in
        for part in ["lora_A", "lora_B"] {
          tensors.append(
            TensorData(
              name: "base_model.model.\(module).\(part).weight", shape: part == "lora_A" ? [2, 24] : [24, 2],
              values: [Float](repeating: 0.5, count: 48)))
        }
      }
      let error = try #require(throws: PEFTError.self) {
        try PEFTAdapter.load(folder: copy.url, for: tiny(family.name))
      }
      #expect(
        error.problems.contains {
          $0.contains(module) && $0.contains("is of the vision tower, which is never adapted")
        },
        "\(error.problems)")
    }
  }

  @Test("Qwen3-VL: PEFT's adapter is read; one that adapts the tower or a merger of DeepStack is refused")
  func deepStack() throws {
    let golden = Repository.root.appendingPathComponent("Tests/AdapterTrainingTests/Goldens/qwen3_vl/init")
    let (adapter, configuration) = try PEFTAdapter.loadForTraining(folder: golden, for: tiny("qwen3_vl"))
    #expect(configuration.layers == [1, 3] && adapter.updates.count == 10)
    for module in ["blocks.1.attn.proj", "deepstack_merger_list.0.linear_fc1", "merger.linear_fc2"] {
      try ScratchFolder.with { scratch in
        let copy = try AdapterCopy(copying: golden, in: scratch)
        try copy.changeTensors { tensors in
          for part in ["lora_A", "lora_B"] {
            tensors.append(
              TensorData(
                name: "base_model.model.model.visual.\(module).\(part).weight",
                shape: part == "lora_A" ? [3, 16] : [16, 3], values: [Float](repeating: 0.5, count: 48)))
          }
        }
        let error = try #require(throws: PEFTError.self) {
          try PEFTAdapter.load(folder: copy.url, for: tiny("qwen3_vl"))
        }
        #expect(
          error.problems.contains { $0.contains(module) && $0.contains("vision tower, which is never adapted") },
          "\(error.problems)")
      }
    }
  }
}

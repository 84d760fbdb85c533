import Foundation
import Safetensors
import TestSupport
import Testing
import Transformer
import VisionLanguage

@testable import LowRankAdaptation

/// Gemma 3's vision tower has modules of the decoder's names: `self_attn.q_proj` in `encoder.layers.<i>`.
@Suite("Adapters of Gemma 3")
struct Gemma3AdapterTests {
  private static let golden = Repository.root.appendingPathComponent("Tests/AdapterTrainingTests/Goldens/gemma3/init")

  @Test("PEFT's adapter of the decoder is read, by its regular expression for whole names")
  func reading() throws {
    let (adapter, configuration) = try PEFTAdapter.loadForTraining(folder: Self.golden, for: tiny("gemma3"))
    #expect(configuration.layers == [1, 2] && configuration.loraRank == 2 && configuration.loraAlpha == 4)
    #expect(Set(configuration.targets) == [.query, .value, .output, .up])
    #expect(adapter.updates.count == 8)
  }

  @Test("an adapter of before transformers 4.52, with its names, is the same")
  func olderNames() throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(copying: Self.golden, in: scratch)
      let (old, new) = (
        "base_model.model.language_model.model.layers.", "base_model.model.model.language_model.layers."
      )
      try copy.edit(["target_modules": ["q_proj", "v_proj", "o_proj", "up_proj"], "layers_to_transform": [1, 2]])
      try copy.changeTensors { tensors in
        #expect(tensors.allSatisfy { $0.name.hasPrefix(new) })
        tensors = tensors.map { $0.named(old + $0.name.dropFirst(new.count)) }
      }
      let model = try tiny("gemma3")
      let (older, newer) = (
        try PEFTAdapter.load(folder: copy.url, for: model), try PEFTAdapter.load(folder: Self.golden, for: model)
      )
      #expect(older.values == newer.values && older.updates.map(\.target) == newer.updates.map(\.target))
    }
  }

  @Test("what is written names the language model's modules in whole, which no module of the tower has")
  func writing() throws {
    try ScratchFolder.with { scratch in
      let model = try tiny("gemma3")
      let configuration = LoRAConfiguration(
        targets: [.query, .output], layers: [1], loraRank: 2, loraAlpha: 4, dropout: 0)
      let adapter = try configuration.makeAdapter(for: model)
      adapter.fill()
      let folder = scratch.file("adapter")
      try PEFTAdapter.write(adapter, configuration: configuration, for: model, modelName: "tiny", to: folder)
      let data = try Data(contentsOf: folder.appendingPathComponent("adapter_config.json"))
      let values = try #require(try JSONSerialization.jsonObject(with: data) as? NSDictionary)
      let modules = ["q_proj", "o_proj"].map { "model.language_model.layers.1.self_attn.\($0)" }
      #expect(values["target_modules"] as? [String] == modules)
      #expect(values["layers_to_transform"] is NSNull && values["layers_pattern"] is NSNull)
      let file = try SafetensorsFile(contentsOf: folder.appendingPathComponent("adapter_model.safetensors"))
      #expect(
        Set(file.tensors.keys)
          == Set(modules.flatMap { name in ["A", "B"].map { "base_model.model.\(name).lora_\($0).weight" } }))
    }
  }

  @Test("an adapter that adapts the tower or the projector too is refused, saying so")
  func tower() throws {
    for module in [
      "model.vision_tower.encoder.layers.1.self_attn.q_proj",
      "model.vision_tower.vision_model.encoder.layers.1.self_attn.q_proj",
      "vision_tower.vision_model.encoder.layers.1.self_attn.q_proj",
    ] {
      try ScratchFolder.with { scratch in
        let copy = try AdapterCopy(copying: Self.golden, in: scratch)
        try copy.edit(["target_modules": ["q_proj", "v_proj", "o_proj", "up_proj"]])
        try copy.changeTensors { tensors in
          for part in ["lora_A", "lora_B"] {
            tensors.append(
              TensorData(
                name: "base_model.model.\(module).\(part).weight", shape: part == "lora_A" ? [2, 24] : [24, 2],
                values: [Float](repeating: 0.5, count: 48)))
          }
        }
        let error = try #require(throws: PEFTError.self) {
          try PEFTAdapter.load(folder: copy.url, for: tiny("gemma3"))
        }
        #expect(
          error.problems.contains {
            $0.contains(module) && $0.contains("is of the vision tower, which is never adapted")
          },
          "\(error.problems)")
      }
    }
  }
}

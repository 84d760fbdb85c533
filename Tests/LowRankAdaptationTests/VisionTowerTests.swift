import Foundation
import Safetensors
import TestSupport
import Testing
import Transformer
import VisionLanguage

@testable import LowRankAdaptation

/// SmolVLM's vision tower has modules of the decoder's names: `self_attn.q_proj` in `encoder.layers.<i>`. Qwen3-VL's has none,
/// but an adapter may name any.
@Suite("Adapters where the vision tower has modules of the same names")
struct VisionTowerTests {
  private static let golden = Repository.root.appendingPathComponent("Tests/AdapterTrainingTests/Goldens/smolvlm/init")

  @Test("PEFT's adapter of the decoder is read, by its regular expression for whole names")
  func reading() throws {
    let (adapter, configuration) = try PEFTAdapter.loadForTraining(folder: Self.golden, for: tiny("smolvlm"))
    #expect(configuration.layers == [0, 2] && configuration.loraRank == 2 && configuration.loraAlpha == 4)
    #expect(Set(configuration.targets) == [.query, .value, .up])
    #expect(adapter.updates.count == 6)
  }

  @Test("what is written names the text model's modules in whole, which no module of the tower has")
  func writing() throws {
    try ScratchFolder.with { scratch in
      let model = try tiny("smolvlm")
      let configuration = LoRAConfiguration(
        targets: [.query, .output], layers: [1], loraRank: 2, loraAlpha: 4, dropout: 0)
      let adapter = try configuration.makeAdapter(for: model)
      adapter.fill()
      let folder = scratch.file("adapter")
      try PEFTAdapter.write(adapter, configuration: configuration, for: model, modelName: "tiny", to: folder)
      let data = try Data(contentsOf: folder.appendingPathComponent("adapter_config.json"))
      let values = try #require(try JSONSerialization.jsonObject(with: data) as? NSDictionary)
      let modules = ["q_proj", "o_proj"].map { "model.text_model.layers.1.self_attn.\($0)" }
      #expect(values["target_modules"] as? [String] == modules)
      #expect(values["layers_to_transform"] is NSNull && values["layers_pattern"] is NSNull)
      let file = try SafetensorsFile(contentsOf: folder.appendingPathComponent("adapter_model.safetensors"))
      #expect(
        Set(file.tensors.keys)
          == Set(modules.flatMap { name in ["A", "B"].map { "base_model.model.\(name).lora_\($0).weight" } }))
    }
  }

  @Test("an adapter that adapts the tower too is refused, saying so")
  func tower() throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(copying: Self.golden, in: scratch)
      try copy.edit(["target_modules": ["q_proj", "v_proj", "up_proj"]])
      let module = "model.vision_model.encoder.layers.0.self_attn.q_proj"
      try copy.changeTensors { tensors in
        for part in ["lora_A", "lora_B"] {
          tensors.append(
            TensorData(
              name: "base_model.model.\(module).\(part).weight", shape: part == "lora_A" ? [2, 24] : [24, 2],
              values: [Float](repeating: 0.5, count: 48)))
        }
      }
      let error = try #require(throws: PEFTError.self) { try PEFTAdapter.load(folder: copy.url, for: tiny("smolvlm")) }
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

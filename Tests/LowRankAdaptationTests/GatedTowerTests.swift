import Foundation
import Safetensors
import TestSupport
import Testing
import VisionLanguage

@testable import LowRankAdaptation

/// Qwen2.5-VL's vision tower has `mlp.gate_proj`, `up_proj` and `down_proj` in its blocks as the decoder has them in its layers.
/// PEFT's adapter of the decoder alone is of tools/goldens/training.
@Suite("Adapters where the vision tower has gated MLPs")
struct GatedTowerTests {
  private static let golden = Repository.root.appendingPathComponent(
    "Tests/AdapterTrainingTests/Goldens/qwen2_5_vl/init")

  @Test("PEFT's adapter of the decoder is read, by today's names and by those from before transformers 4.52")
  func reading() throws {
    let model = try tiny("qwen2_5_vl")
    let (adapter, configuration) = try PEFTAdapter.loadForTraining(folder: Self.golden, for: model)
    #expect(configuration.layers == [0, 2] && configuration.loraRank == 2 && configuration.loraAlpha == 4)
    #expect(Set(configuration.targets) == [.query, .value, .gate, .up, .down])
    #expect(adapter.updates.count == 10)
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(copying: Self.golden, in: scratch)
      // In the old modules no name of the tower was that of a layer.
      let names = ["q_proj", "v_proj", "gate_proj", "up_proj", "down_proj"]
      try copy.edit(["target_modules": names, "layers_to_transform": [0, 2], "layers_pattern": "layers"])
      try copy.changeTensors { tensors in
        tensors = tensors.map { $0.named($0.name.replacing(".model.language_model.", with: ".model.")) }
      }
      let old = try PEFTAdapter.load(folder: copy.url, for: model)
      #expect(old.updates.map(\.target) == adapter.updates.map(\.target) && old.values == adapter.values)
    }
  }

  @Test("what is written names the text model's modules in whole, which no module of the tower has")
  func writing() throws {
    try ScratchFolder.with { scratch in
      let model = try tiny("qwen2_5_vl")
      let configuration = LoRAConfiguration(
        targets: [.query, .gate, .down], layers: [1], loraRank: 2, loraAlpha: 4, dropout: 0)
      let adapter = try configuration.makeAdapter(for: model)
      adapter.fill()
      let folder = scratch.file("adapter")
      try PEFTAdapter.write(
        adapter, configuration: configuration, for: model,
        base: BaseModelName(folder: URL(fileURLWithPath: "/models/tiny")), to: folder)
      let data = try Data(contentsOf: folder.appendingPathComponent("adapter_config.json"))
      let values = try #require(try JSONSerialization.jsonObject(with: data) as? NSDictionary)
      let modules = ["self_attn.q_proj", "mlp.gate_proj", "mlp.down_proj"].map { "model.language_model.layers.1.\($0)" }
      #expect(Set(values["target_modules"] as? [String] ?? []) == Set(modules))
      #expect(values["layers_to_transform"] is NSNull && values["layers_pattern"] is NSNull)
      let file = try SafetensorsFile(contentsOf: folder.appendingPathComponent("adapter_model.safetensors"))
      #expect(file.tensors.keys.allSatisfy { !$0.contains("visual") } && file.tensors.count == 6)
    }
  }

  @Test("an adapter that adapts the tower too is refused, saying so", arguments: ["model.visual", "visual"])
  func tower(_ prefix: String) throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(copying: Self.golden, in: scratch)
      // What `gate_proj` by its end alone takes in PEFT.
      try copy.edit(["target_modules": ["q_proj", "v_proj", "gate_proj", "up_proj", "down_proj"]])
      let module = "\(prefix).blocks.0.mlp.gate_proj"
      try copy.changeTensors { tensors in
        for (part, shape) in [("lora_A", [2, 24]), ("lora_B", [72, 2])] {
          tensors.append(
            TensorData(
              name: "base_model.model.\(module).\(part).weight", shape: shape,
              values: [Float](repeating: 0.5, count: shape[0] * shape[1])))
        }
      }
      let error = try #require(throws: PEFTError.self) {
        try PEFTAdapter.load(folder: copy.url, for: tiny("qwen2_5_vl"))
      }
      #expect(
        error.problems.contains {
          $0.contains(module) && $0.contains("is of the vision tower, which is never adapted")
        }, "\(error.problems)")
    }
  }
}

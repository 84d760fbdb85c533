import Foundation
import Safetensors
import TestSupport
import Testing

@testable import LowRankAdaptation

@Suite("Adapters that don't fit")
struct RefusalTests {
  private static let base = "base_model.model.model.language_model.layers"

  @Test("one error names everything that is wrong with the tensors")
  func everything() throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(in: scratch)
      try copy.changeTensors { tensors in
        tensors.removeAll { $0.name.hasSuffix("layers.1.self_attn.o_proj.lora_B.weight") }
        tensors.removeAll { $0.name.hasSuffix("layers.3.self_attn.v_proj.lora_A.weight") }
        let query = try #require(tensors.firstIndex { $0.name.hasSuffix("layers.1.self_attn.q_proj.lora_A.weight") })
        tensors[query] = TensorData(
          name: tensors[query].name, shape: [2, 63], values: [Float](repeating: 1, count: 126))
        let value = try #require(tensors.firstIndex { $0.name.hasSuffix("layers.1.self_attn.v_proj.lora_B.weight") })
        tensors[value] = TensorData(
          name: tensors[value].name, shape: [32, 2], values: [Float](repeating: 1, count: 64))
        let output = try #require(tensors.firstIndex { $0.name.hasSuffix("layers.3.self_attn.o_proj.lora_B.weight") })
        tensors[output] = TensorData(
          name: tensors[output].name, shape: tensors[output].shape, values: [Float](repeating: .nan, count: 64))
        for name in [
          "base_model.model.model.visual.blocks.0.attn.q_proj.lora_A.weight",
          "\(Self.base).9.self_attn.q_proj.lora_A.weight",
          "\(Self.base).01.self_attn.q_proj.lora_A.weight", "\(Self.base).1.mlp.q_proj.lora_A.weight",
          "\(Self.base).1.self_attn.q_proj.lora_magnitude_vector", "base_model.model.lm_head.lora_A.weight",
          "\(Self.base).1.self_attn.q_proj.lora_A.default.weight", "",
        ] { tensors.append(TensorData(name: name, shape: [1], values: [1])) }
      }
      let problems = try copy.problems()
      for words in [
        "layers.1.self_attn.o_proj: has lora_A but no lora_B", "layers.3.self_attn.v_proj: has lora_B but no lora_A",
        "layers.1.self_attn.q_proj.lora_A.weight: has shape [2, 63]; the model takes [r, 64]",
        "layers.1.self_attn.v_proj.lora_B.weight: has shape [32, 2]; the model takes [32, 3]",
        "layers.3.self_attn.o_proj.lora_B.weight: element 0 is not finite",
        "visual.blocks.0.attn.q_proj: is of the vision tower",
        "layers.9.self_attn.q_proj: the model has 4 decoder layers",
        "layers.01.self_attn.q_proj.lora_A.weight: is unknown",
        "layers.1.mlp.q_proj.lora_A.weight: is unknown",
        "layers.1.self_attn.q_proj.lora_magnitude_vector: has shape [1]; the model takes [64]",
        "lm_head.lora_A.weight: has shape [1]; the model takes [r, 64]", "lm_head: has lora_A but no lora_B",
        "lora_A.default.weight: is unknown", ": is unknown",
      ] { #expect(problems.contains { $0.contains(words) }, "\(words) in \(problems)") }
    }
  }

  @Test("a name of each kind for one module is refused")
  func twoNames() throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(in: scratch)
      try copy.changeTensors { tensors in
        tensors += tensors.filter { $0.name.contains(".1.self_attn.q_proj") }.map {
          $0.named($0.name.replacingOccurrences(of: ".language_model", with: ""))
        }
      }
      #expect(try copy.problems().contains { $0.contains("layers.1.self_attn.q_proj: occurs under two names") })
    }
  }

  @Test("configurations that mean something else are refused, all at once")
  func configuration() throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(in: scratch)
      let changes: [String: Any] = [
        "peft_type": "IA3", "bias": "some", "use_dora": true, "fan_in_fan_out": true, "modules_to_save": "lm_head",
        "lora_bias": true, "init_lora_weights": "pissa_niter_4", "target_parameters": ["x"], "r": 2.5,
        "lora_alpha": "8", "use_rslora": 1, "rank_pattern": ["(": 3], "lora_dropout": 1, "target_modules": "[",
        "layers_pattern": "h",
      ]
      try copy.edit(changes)
      let problems = try copy.problems()
      for key in changes.keys { #expect(problems.contains { $0.contains("`\(key)`") }, "\(key) in \(problems)") }
    }
  }

  @Test("ranks and modules that the tensors contradict are named")
  func contradictions() throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(in: scratch)
      try copy.edit(["r": 5])
      #expect(try copy.problems().contains { $0.hasPrefix("layers.1.self_attn.v_proj: its tensors have rank 3") })
      try copy.edit(["r": 3, "target_modules": ["q_proj", "v_proj", "k_proj"]])
      let problems = try copy.problems()
      #expect(problems.contains { $0.hasPrefix("layers.1.self_attn.o_proj: has tensors") }, "\(problems)")
      #expect(problems.contains { $0.hasPrefix("layers.3.self_attn.k_proj: is targeted") }, "\(problems)")
      try copy.edit(["target_modules": ["q_proj", "v_proj", "o_proj"], "layers_to_transform": 1])
      #expect(try copy.problems().count == 3)
    }
  }

  @Test("folders without their files, or with broken ones, are refused in words")
  func files() throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(in: scratch)
      let config = try Data(contentsOf: copy.file("adapter_config.json"))
      for text in ["", "{", "[]", #"{"r": 1e999}"#, #"{"peft_type": "LORA", "r": NaN}"#, "{} x"] {
        try Data(text.utf8).write(to: copy.file("adapter_config.json"))
        let problems = try copy.problems()
        #expect(!problems.isEmpty && problems.allSatisfy { $0.contains("adapter_config.json") }, "\(text): \(problems)")
      }
      try FileManager.default.removeItem(at: copy.file("adapter_config.json"))
      #expect(try copy.problems().first.map { $0.contains("adapter_config.json") && $0.contains("be read") } == true)
      try config.write(to: copy.file("adapter_config.json"))
      try Data("xxxxxxxxxx".utf8).write(to: copy.file("adapter_model.safetensors"))
      #expect(throws: SafetensorsError.self) { try copy.problems() }
      try FileManager.default.moveItem(at: copy.file("adapter_model.safetensors"), to: copy.file("adapter_model.bin"))
      #expect(try copy.problems().first?.contains("adapter_model.bin isn't read") == true)
      try FileManager.default.removeItem(at: copy.url)
      #expect(try copy.problems().first?.contains("is not a folder") == true)
    }
  }

  @Test("a duplicate key is refused")
  func twice() throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(in: scratch)
      try Data(#"{"r": 3, "r": 4}"#.utf8).write(to: copy.file("adapter_config.json"))
      let problems = try copy.problems()
      #expect(problems.count == 1 && ["adapter_config.json", "r: ", "twice"].allSatisfy { problems[0].contains($0) })
    }
  }
}

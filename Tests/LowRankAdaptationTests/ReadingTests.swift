import Foundation
import Safetensors
import TestSupport
import Testing
import Transformer

@testable import LowRankAdaptation

@Suite("Reading PEFT's adapters")
struct ReadingTests {
  @Test("PEFT's own merged weights come out", arguments: ["patterns", "older", "root"])
  func golden(_ name: String) throws {
    let goldens = try Goldens(name, name: "deltas.safetensors")
    let adapter = try PEFTAdapter.load(folder: goldens.folder, for: tiny())
    #expect(Set(adapter.updates.map(\.target.module)) == Set(goldens.names))
    for update in adapter.updates {
      let closeness = Closeness(adapter.delta(update), try goldens.floats(update.target.module))
      #expect(closeness.relativeL2 < 1e-6, "\(update.target.module): \(closeness)")
    }
  }

  @Test("the configuration comes with it")
  func configuration() throws {
    let (adapter, configuration) = try PEFTAdapter.loadForTraining(
      folder: Goldens.root().appendingPathComponent("patterns"), for: tiny())
    #expect(
      configuration
        == LoRAConfiguration(targets: [.query, .value, .output], layers: [1, 3], loraRank: 3, loraAlpha: 6))
    #expect(adapter.updates.map(\.rank) == [2, 3, 3, 4, 1, 1])
  }

  @Test("half precision is widened")
  func halves() throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(in: scratch)
      let model = try tiny()
      let whole = try PEFTAdapter.load(folder: copy.url, for: model)
      try copy.changeTensors { tensors in
        tensors = tensors.map { tensor in
          let floats = tensor.bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
          let narrow = floats.map { UInt16(($0.bitPattern &+ 0x8000) >> 16) }
          return TensorData(
            name: tensor.name, dtype: .bf16, shape: tensor.shape, bytes: narrow.withUnsafeBytes { Array($0) })
        }
      }
      let half = try PEFTAdapter.load(folder: copy.url, for: model)
      #expect(Closeness(half.values, whole.values).relativeL2 < 0.004)
      // 1.5 in float16.
      try copy.changeTensors { tensors in
        tensors = tensors.map { tensor in
          let halves = [UInt16](repeating: 0x3e00, count: tensor.bytes.count / 2)
          return TensorData(
            name: tensor.name, dtype: .f16, shape: tensor.shape, bytes: halves.withUnsafeBytes { Array($0) })
        }
      }
      #expect(try PEFTAdapter.load(folder: copy.url, for: model).values.allSatisfy { $0 == 1.5 })
    }
  }

  @Test("of several patterns that match, the file's first counts")
  func firstPattern() throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(in: scratch)
      for (patterns, alpha) in [(#"{"q_proj": 8, "o_proj": 1, ".*": 2}"#, 8), (#"{".*": 2, "q_proj": 8}"#, 2)] {
        try copy.edit(["alpha_pattern": ["here": 0]])
        let text = try String(contentsOf: copy.file("adapter_config.json"), encoding: .utf8)
        try Data(text.replacingOccurrences(of: #"{"here":0}"#, with: patterns).utf8)
          .write(to: copy.file("adapter_config.json"))
        let adapter = try PEFTAdapter.load(folder: copy.url, for: tiny())
        #expect(adapter.updates[0].scaling == Float(alpha) / 2)
      }
    }
  }

  @Test("what changes nothing is refused for generation, and taken for training")
  func noChange() throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(in: scratch)
      try copy.changeTensors { $0 = $0.map { $0.name.contains("lora_B") ? $0.zeroed() : $0 } }
      #expect(try copy.problems().first?.contains("changes nothing") == true)
      #expect(try copy.problems(allowsNoChange: true).isEmpty)
      #expect(try PEFTAdapter.loadForTraining(folder: copy.url, for: tiny()).adapter.updates.count == 6)
      try copy.write([])
      #expect(try copy.problems().first?.contains("holds no tensors") == true)
    }
  }
}

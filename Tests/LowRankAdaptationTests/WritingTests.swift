import Foundation
import IO
import Safetensors
import TestSupport
import Testing
import Transformer

@testable import LowRankAdaptation

@Suite("Writing adapters for PEFT")
struct WritingTests {
  private struct Refused: Error {}

  private static let configuration = LoRAConfiguration(
    targets: [.query, .value], layers: [0, 2], loraRank: 2, loraAlpha: 4, dropout: 0.05)

  private func adapter() throws -> LowRankAdapter {
    let adapter = try Self.configuration.makeAdapter(for: tiny())
    adapter.fill()
    return adapter
  }

  private func write(
    _ adapter: LowRankAdapter, to folder: URL, alongside: (URL) throws -> Void = { _ in }
  ) throws {
    try PEFTAdapter.write(
      adapter, configuration: Self.configuration, for: tiny(),
      base: BaseModelName(folder: URL(fileURLWithPath: "/models/tiny")), to: folder, alongside: alongside)
  }

  @Test("what is written is read again, bit by bit, in every family layout", arguments: TinyCase.all)
  func roundTrip(_ tinyCase: TinyCase) throws {
    try ScratchFolder.with { scratch in
      let model = try tiny(tinyCase.name)
      let configuration = LoRAConfiguration(
        targets: Projection.allCases, layers: [1], loraRank: 3, loraAlpha: 0.5, dropout: 0.25)
      let adapter = try configuration.makeAdapter(for: model)
      adapter.fill()
      let folder = scratch.file("adapter")
      try PEFTAdapter.write(
        adapter, configuration: configuration, for: model,
        base: BaseModelName(folder: URL(fileURLWithPath: "/models/tiny")), to: folder)
      let (read, again) = try PEFTAdapter.loadForTraining(folder: folder, for: model)
      #expect(read.values == adapter.values && again == configuration)
      #expect(read.updates.map(\.scaling) == adapter.updates.map(\.scaling))
      #expect(try scratch.names == ["adapter"])
    }
  }

  @Test(
    "other ranks and weights become patterns, other sets of modules names", arguments: ["patterns", "older", "root"])
  func patterns(_ name: String) throws {
    try ScratchFolder.with { scratch in
      let model = try tiny()
      let (adapter, configuration) = try PEFTAdapter.loadForTraining(
        folder: Goldens.root().appendingPathComponent(name), for: model)
      for (label, shapes) in [("whole", adapter.updates), ("part", Array(adapter.updates.dropFirst()))] {
        let some = LowRankAdapter(
          shapes.map { ($0.target, $0.rank, $0.scaling) }, for: model.decoder.layers, on: model.backend)
        some.fill()
        let folder = scratch.file(label)
        try PEFTAdapter.write(
          some, configuration: configuration, for: model,
          base: BaseModelName(folder: URL(fileURLWithPath: "/models/tiny")), to: folder)
        let read = try PEFTAdapter.load(folder: folder, for: model)
        #expect(read.values == some.values)
        #expect(read.updates.map(\.scaling) == some.updates.map(\.scaling))
      }
    }
  }

  @Test("the configuration says what PEFT's says")
  func configuration() throws {
    try ScratchFolder.with { scratch in
      try write(try adapter(), to: scratch.file("a"))
      let data = try Data(contentsOf: scratch.file("a/adapter_config.json"))
      let values = try #require(try JSONSerialization.jsonObject(with: data) as? NSDictionary)
      // Whole names, which no module of a vision tower ends with.
      let modules = [0, 2].flatMap { layer in
        ["q_proj", "v_proj"].map { "model.language_model.layers.\(layer).self_attn.\($0)" }
      }
      #expect(values["target_modules"] as? [String] == modules)
      #expect(values["layers_to_transform"] is NSNull && values["layers_pattern"] is NSNull)
      #expect(values["peft_type"] as? String == "LORA" && values["task_type"] as? String == "CAUSAL_LM")
      #expect(
        (values["rank_pattern"] as? NSDictionary)?.count == 0 && (values["alpha_pattern"] as? NSDictionary)?.count == 0)
      let text = String(decoding: data, as: UTF8.self)
      #expect(text.contains(#""lora_alpha" : 4,"#) && text.contains(#""lora_dropout" : 0.05,"#), "\(text)")
      let file = try SafetensorsFile(contentsOf: scratch.file("a/adapter_model.safetensors"))
      #expect(file.metadata == ["format": "pt"] && file.tensors.count == 8)
      #expect(
        file.tensors["base_model.model.model.language_model.layers.2.self_attn.v_proj.lora_B.weight"]?.shape == [32, 2])
    }
  }

  @Test("an existing folder is replaced as a whole, or kept")
  func replacing() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.file("deep/adapter")
      let first = try adapter()
      try write(first, to: folder) { try Data("1".utf8).write(to: $0.appendingPathComponent("log.json")) }
      let second = try adapter()
      second.values[0] = 9
      // Another's file would be lost.
      let error = try #require(throws: FolderError.self) { try write(second, to: folder) }
      #expect(error.description.contains("log.json"))
      #expect(throws: Refused.self) { try write(second, to: folder) { _ in throw Refused() } }
      #expect(try PEFTAdapter.load(folder: folder, for: tiny()).values == first.values)
      try write(second, to: folder) { try Data("2".utf8).write(to: $0.appendingPathComponent("log.json")) }
      #expect(try PEFTAdapter.load(folder: folder, for: tiny()).values == second.values)
      #expect(try Data(contentsOf: folder.appendingPathComponent("log.json")) == Data("2".utf8))
      #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.file("deep").path) == ["adapter"])
    }
  }

  @Test("what an earlier training left is replaced, whichever of it the new one leaves")
  func earlierTraining() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.file("adapter")
      try write(try adapter(), to: folder) { aside in
        for name in ["README.md", "training.h5", "loss.csv", "loss.svg", "events.out.tfevents.17.headimpact"] {
          try Data("1".utf8).write(to: aside.appendingPathComponent(name))
        }
        try FileManager.default.createDirectory(
          at: aside.appendingPathComponent("last"), withIntermediateDirectories: false)
      }
      let second = try adapter()
      second.values[0] = 9
      try write(second, to: folder) { try Data("2".utf8).write(to: $0.appendingPathComponent("training.h5")) }
      #expect(try PEFTAdapter.load(folder: folder, for: tiny()).values == second.values)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 3)
    }
  }

  @Test("what can't be written to is named as the adapter's folder, and the old adapter stays")
  func unwritable() throws {
    try ScratchFolder.with { scratch in
      let folder = scratch.file("adapter")
      let adapter = try adapter()
      for old in [false, true] {
        if old { try write(adapter, to: folder) }
        let error = try #require(throws: FolderError.self) {
          try write(adapter, to: folder) { aside in
            // The weights' name is taken by a folder that isn't empty.
            let taken = aside.appendingPathComponent("adapter_model.safetensors/file")
            try FileManager.default.createDirectory(at: taken, withIntermediateDirectories: true)
          }
        }
        #expect(
          error.description.hasPrefix("\(folder.path): the adapter can't be renamed to its final name"), "\(error)")
        #expect(try scratch.names == (old ? ["adapter"] : []))
      }
      #expect(try PEFTAdapter.load(folder: folder, for: tiny()).values == adapter.values)
    }
  }

  @Test("what can't be written is refused")
  func refusals() throws {
    try ScratchFolder.with { scratch in
      let adapter = try adapter()
      try Data().write(to: scratch.file("file"))
      #expect(throws: FolderError.self) { try write(adapter, to: scratch.file("file")) }
      #expect(throws: FolderError.self) { try write(adapter, to: scratch.file("file/below")) }
      let model = try tiny()
      let empty = LowRankAdapter([], for: model.decoder.layers, on: model.backend)
      #expect(throws: LowRankAdaptationError.self) { try write(empty, to: scratch.file("a")) }
      adapter.values[3] = .nan
      let error = try #require(throws: LowRankAdaptationError.self) { try write(adapter, to: scratch.file("a")) }
      #expect(error.description.contains("layers.0.self_attn.q_proj"))
      #expect(try scratch.names == ["file"])
    }
  }
}

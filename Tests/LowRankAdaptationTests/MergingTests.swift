import Foundation
import Kernels
import Safetensors
import TestSupport
import Testing
import Transformer
import VisionLanguage

@testable import LowRankAdaptation

@Suite("Merging an adapter into its model")
struct MergingTests {
  @Test(
    "the merged model gives PEFT's logits without an adapter",
    arguments: ["dora", "bias-lora-only", "bias-all", "saved-linear"])
  func logits(_ name: String) throws {
    try ScratchFolder.with { scratch in
      let golden = try PartsCase(name)
      let wanted = try golden.goldens.floats("logits")
      let rows = try golden.goldens.shape("logits")[0]
      // In float32, merging rounds no more than applying.
      let base = scratch.file("nested")
      try FileManager.default.copyItem(at: golden.tiny.model, to: base)
      try writeSafetensors(
        golden.model.checkpoint.tensors.values.map {
          TensorData(name: $0.name, shape: $0.shape, values: numbers($0))
        }, metadata: ["format": "pt"], to: base.appendingPathComponent("model.safetensors"))
      let parts = try golden.with(model: base)
      let merged = scratch.file("merged")
      let summary = try ModelMerge(parts.model, adapter: parts.goldens.folder).write(to: merged)
      #expect(summary.changedTensors > 0 && summary.tensors == parts.model.checkpoint.tensors.count)
      let other = try parts.with(model: merged)
      let closeness = Closeness(try other.logits(rows: rows), wanted)
      #expect(closeness.maximumDifference < 1e-4, "\(closeness)")
      // Of the published type, bf16, the weights themselves are rounded.
      let short = scratch.file("short")
      _ = try ModelMerge(golden.model, adapter: golden.goldens.folder).write(to: short)
      let rounded = Closeness(try golden.with(model: short).logits(rows: rows), wanted)
      #expect(rounded.maximumDifference < 0.1, "\(rounded)")
    }
  }

  private func numbers(_ tensor: TensorView) -> [Float] { tensor.matrix(rows: 1)?.floats() ?? [] }

  @Test("in float32, the weights are W + alpha / rank B A, and all else is the base's to the byte")
  func weights() throws {
    try ScratchFolder.with { scratch in
      let model = try tiny()
      let folder = Goldens.root().appendingPathComponent("patterns")
      let adapter = try PEFTAdapter.load(folder: folder, for: model)
      let merged = scratch.file("merged")
      _ = try ModelMerge(model, adapter: folder).write(to: merged)
      let (own, new) = (model.checkpoint, try SafetensorsCheckpoint(folder: merged))
      #expect(Set(own.tensors.keys) == Set(new.tensors.keys))
      #expect(try own.headerDigest() == new.headerDigest())
      let names = Set(try PEFTAdapter.merged(adapter, folder: "", into: model).keys)
      #expect(names.count == adapter.updates.count)
      for (name, tensor) in own.tensors where !names.contains(name) {
        let bytes = tensor.withBytes { Array($0) }
        #expect(new.tensors[name]?.withBytes { Array($0) } == bytes, "\(name)")
      }
      for update in adapter.updates {
        let name = try #require(names.first { $0.hasSuffix(".\(update.target.module).weight") })
        let (before, after) = (try own.tensor(named: name), try new.tensor(named: name))
        let expected = zip(numbers(before), adapter.delta(update)).map { $0 + $1 }
        let tolerance: Float = before.dtype == .f32 ? 1e-6 : 0x1p-8
        for (a, b) in zip(numbers(after), expected) {
          guard abs(a - b) > tolerance * max(1, abs(b)) else { continue }
          Issue.record("\(name): \(a) is not \(b)")
          break
        }
      }
      let files = Set(try FileManager.default.contentsOfDirectory(atPath: model.checkpoint.folder.path))
      #expect(files.subtracting(try FileManager.default.contentsOfDirectory(atPath: merged.path)).isEmpty)
    }
  }

  @Test(
    "what reaches beyond the linear layers is refused, and so is a folder that is there",
    arguments: ["head", "saved-norms"])
  func refusals(_ name: String) throws {
    let parts = try PartsCase(name)
    let error = try #require(throws: PEFTError.self) {
      try ModelMerge(parts.model, adapter: parts.goldens.folder)
    }
    #expect(error.description.contains("can't be merged here") && error.wayOut != nil)
    try ScratchFolder.with { scratch in
      let dora = try PartsCase("dora")
      let merge = try ModelMerge(dora.model, adapter: dora.goldens.folder)
      try FileManager.default.createDirectory(at: scratch.file("there"), withIntermediateDirectories: false)
      #expect(throws: MergeError.self) { try merge.write(to: scratch.file("there")) }
    }
  }

  @Test("a merged model is replaced with --overwrite, and nothing else is")
  func replaced() throws {
    try ScratchFolder.with { scratch in
      let files = FileManager.default
      let dora = try PartsCase("dora")
      let merge = try ModelMerge(dora.model, adapter: dora.goldens.folder)
      let (merged, config) = (scratch.file("merged"), scratch.file("merged").appendingPathComponent("config.json"))
      _ = try merge.write(to: merged)
      let refused = try #require(throws: MergeError.self) { try merge.write(to: merged) }
      #expect(refused.description.contains("--overwrite"), "\(refused)")
      try Data("{}".utf8).write(to: config)
      _ = try merge.write(to: merged, overwrites: true)
      #expect(try Data(contentsOf: config) != Data("{}".utf8))
      // The base of this run, though merged itself.
      let again = try ModelMerge(try dora.with(model: merged).model, adapter: dora.goldens.folder)
      #expect(throws: MergeError.self) { try again.write(to: merged, overwrites: true) }
      // Files that it hasn't written.
      try Data("mine".utf8).write(to: merged.appendingPathComponent("notes.txt"))
      let foreign = #expect(throws: (any Error).self) { try merge.write(to: merged, overwrites: true) }
      #expect("\(foreign.map { "\($0)" } ?? "")".contains("notes.txt"))
      #expect(files.fileExists(atPath: merged.appendingPathComponent("notes.txt").path))
      let other = scratch.file("other")
      try files.createDirectory(at: other, withIntermediateDirectories: false)
      #expect(throws: MergeError.self) { try merge.write(to: other, overwrites: true) }
    }
  }

  @Test("config.json loses the id of its base alone")
  func baseID() {
    func without(_ text: String) -> String { String(decoding: ModelMerge.withoutBase(Data(text.utf8)), as: UTF8.self) }
    #expect(
      without(#"{"a": 1e-06, "_name_or_path": "o/m", "b": {}}"#) == #"{"a": 1e-06, "_name_or_path": "", "b": {}}"#)
    #expect(without(#"{"text_config": {"_name_or_path": "o/m"}}"#) == #"{"text_config": {"_name_or_path": "o/m"}}"#)
    #expect(without(#"{"a": 1}"#) == #"{"a": 1}"#)
  }
}

@Suite("The name of the base model")
struct BaseModelNameTests {
  private func folder(_ path: String, _ config: String = "{}", in scratch: ScratchFolder) throws -> URL {
    let folder = scratch.file(path)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data(config.utf8).write(to: folder.appendingPathComponent("config.json"))
    return folder
  }

  @Test(
    "a folder of the Hub's cache has its id and commit in its path; config.json may name another's id; else the path")
  func names() throws {
    try ScratchFolder.with { scratch in
      let cached = BaseModelName(
        folder: try folder("hub/models--Qwen--Qwen2-VL-2B-Instruct/snapshots/895c3a4", in: scratch))
      #expect(cached.name == "Qwen/Qwen2-VL-2B-Instruct" && cached.revision == "895c3a4" && cached.isOnHub)
      let stated = BaseModelName(folder: try folder("local", #"{"_name_or_path": "org/name-1.5"}"#, in: scratch))
      #expect(stated.name == "org/name-1.5" && stated.revision == nil && stated.isOnHub)
      for text in ["", "/data/model", "model", "a/b/c", "../x", "org/na me"] {
        let url = try folder("plain", #"{"_name_or_path": "\#(text)"}"#, in: scratch)
        let plain = BaseModelName(folder: url)
        #expect(plain.name == url.standardizedFileURL.path && !plain.isOnHub, "\(text)")
      }
    }
  }

  @Test("the same id, path or last part is the same base; another is remarked on")
  func meaning() throws {
    try ScratchFolder.with { scratch in
      let model = try folder("Qwen2-VL-2B-Instruct", in: scratch)
      let base = BaseModelName(folder: model)
      for name in [base.name, "Qwen/Qwen2-VL-2B-Instruct", "/elsewhere/qwen2-vl-2b-instruct/", "Qwen2-VL-2B-Instruct"] {
        #expect(base.isMeant(by: name), "\(name)")
      }
      #expect(!base.isMeant(by: "Qwen/Qwen2-VL-7B-Instruct"))
      let adapter = scratch.file("adapter")
      try FileManager.default.createDirectory(at: adapter, withIntermediateDirectories: false)
      func remarks(_ name: String) throws -> [String] {
        try Data(#"{"peft_type": "LORA", "base_model_name_or_path": "\#(name)"}"#.utf8)
          .write(to: adapter.appendingPathComponent("adapter_config.json"))
        return PEFTAdapter.remarks(onBaseOf: adapter, model: model)
      }
      #expect(try remarks("llava-hf/llava-1.5-7b-hf").first?.contains("names another base model") == true)
      #expect(try remarks("Qwen/Qwen2-VL-2B-Instruct").isEmpty && remarks("").isEmpty)
    }
  }
}

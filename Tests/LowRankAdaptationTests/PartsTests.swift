import Foundation
import ImageInput
import Kernels
import Safetensors
import TestSupport
import Testing
import Transformer
import VisionLanguage

@testable import LowRankAdaptation

/// A case of tools/goldens/lora/make_parts.py: an adapter folder, and the logits that PEFT computes with it.
struct PartsCase {
  static let all = [
    "bias-lora-only", "bias-all", "bias-of-b", "dora", "dora-ends", "head", "head-untied", "embedding", "saved-norms",
    "saved-head", "saved-embedding", "saved-linear", "saved-ends-untied", "shared-ends", "ends-untied",
    "scaled-embedding", "saved-norms-of-four",
  ]

  let goldens: Goldens
  let model: any VisionLanguageModel
  let tiny: TinyCase

  init(_ name: String, threads: Int = 1) throws {
    goldens = try Goldens("parts/\(name)", name: "logits.safetensors")
    let checkpoint = goldens.metadata["checkpoint"]
    tiny = try #require(TinyCase.all.first { $0.name == checkpoint })
    model = try ModelRegistry.load(
      folder: tiny.model, input: InputOptions(resizing: .pillow),
      backend: CPUBackend(precision: .f32, team: ThreadTeam(count: threads)))
  }

  private init(_ other: PartsCase, model: any VisionLanguageModel) {
    (goldens, tiny, self.model) = (other.goldens, other.tiny, model)
  }

  /// The same with the model of another folder.
  func with(model folder: URL) throws -> PartsCase {
    PartsCase(
      self,
      model: try ModelRegistry.load(
        folder: folder, input: InputOptions(resizing: .pillow),
        backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1))))
  }

  /// Of the last rows.
  func logits(rows wanted: Int) throws -> [Float] {
    let image = try decodeImage(contentsOf: tiny.images.appendingPathComponent("0002.png"))
    let layout = try model.visualLayout(width: image.width, height: image.height)
    let sequence = try model.sequence(prompt: "What is it?", description: "a red ball on the left", layout: layout)
    #expect(sequence.ids.map(Int.init) == (try goldens.integers("input_ids")))
    let visual = try model.encode(image, taps: Taps())
    let rows = sequence.ids.count
    let cache = KeyValueCache(on: model.backend)
    model.decoder.reserve(cache, rows: rows)
    let hidden = model.backend.tensor(rows: rows, columns: model.decoder.hiddenSize)
    model.embed(sequence, rows: 0..<rows, visual: visual, into: hidden)
    try model.decoder.forward(
      hidden, layout: model.withBlocks(SequenceLayout(newPrefix: rows), of: [sequence]), angles: model.angles(sequence),
      cache: cache)
    return model.backend.read(try model.outputHead.logits(hidden.rows(rows - wanted..<rows)))
  }
}

@Suite("What adapters change beside B A of the decoder's linear layers")
struct PartsTests {
  // The last holds a published tower's own biases under today's names, which change nothing.
  @Test("the logits are PEFT's", arguments: PartsCase.all + ["tower-unchanged"])
  func logits(_ name: String) throws {
    let parts = try PartsCase(name)
    let wanted = try parts.goldens.floats("logits")
    let rows = try parts.goldens.shape("logits")[0]
    let plain = try parts.logits(rows: rows)
    #expect(Closeness(plain, wanted).maximumDifference > 1e-2)
    parts.model.apply(try PEFTAdapter.load(folder: parts.goldens.folder, for: parts.model))
    let closeness = Closeness(try parts.logits(rows: rows), wanted)
    #expect(closeness.maximumDifference < 1e-4, "\(closeness)")
    parts.model.apply(nil)
    #expect(try parts.logits(rows: rows) == plain)
  }

  @Test("no scale depends on the number of threads", arguments: ["dora", "dora-ends"])
  func threads(_ name: String) throws {
    let folder = try PartsCase(name).goldens.folder
    let parts = try [1, 2, 5].map { threads in
      try PEFTAdapter.load(folder: folder, for: PartsCase(name, threads: threads).model).parts
    }
    for other in parts.dropFirst() {
      #expect(!other.outputScales.isEmpty)
      #expect(other.outputScales.mapValues { $0.floats() } == parts[0].outputScales.mapValues { $0.floats() })
      #expect(other.head.scale?.floats() == parts[0].head.scale?.floats())
      #expect(other.embedding.scale?.floats() == parts[0].embedding.scale?.floats())
    }
  }

  @Test("training doesn't continue from them, and reports what they change", arguments: PartsCase.all)
  func training(_ name: String) throws {
    let parts = try PartsCase(name)
    let error = try #require(throws: PEFTError.self) {
      try PEFTAdapter.loadForTraining(folder: parts.goldens.folder, for: parts.model)
    }
    #expect(error.problems.contains { $0.contains("can't be trained further") })
  }

  @Test("whole tensors that are the model's own change nothing")
  func unchanged() throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(in: scratch)
      let model = try tiny()
      let plain = try PEFTAdapter.load(folder: copy.url, for: model)
      try copy.changeTensors { tensors in
        for (name, own) in model.checkpoint.tensors
        where name.hasSuffix("embed_tokens.weight") || name.hasSuffix("norm.weight") || name.hasPrefix("model.visual.")
        {
          tensors.append(
            TensorData(
              name: "base_model.model." + name, dtype: own.dtype, shape: own.shape, bytes: own.withBytes { Array($0) }))
        }
        let embedding = try #require(tensors.first { $0.name.hasSuffix("embed_tokens.weight") })
        tensors.append(embedding.named("base_model.model.lm_head.weight"))
      }
      let (adapter, _) = try PEFTAdapter.loadForTraining(folder: copy.url, for: model)
      #expect(adapter.parts.isEmpty && adapter.values == plain.values)
    }
  }

  @Test("tensors at odd addresses are read as what they are")
  func unaligned() throws {
    try ScratchFolder.with { scratch in
      for name in ["dora-ends", "saved-head"] {
        let parts = try PartsCase(name)
        let folder = scratch.file(name)
        try FileManager.default.copyItem(at: parts.goldens.folder, to: folder)
        let file = folder.appendingPathComponent("adapter_model.safetensors")
        var bytes = [UInt8](try Data(contentsOf: file))
        // One blank more in the header moves every tensor by a byte.
        let length = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        bytes.insert(UInt8(ascii: " "), at: 8 + length)
        bytes.replaceSubrange(..<8, with: (0..<8).map { UInt8(truncatingIfNeeded: (length + 1) >> (8 * $0)) })
        try Data(bytes).write(to: file)
        let adapter = try PEFTAdapter.load(folder: folder, for: parts.model)
        parts.model.apply(adapter)
        let wanted = try parts.goldens.floats("logits")
        let rows = try parts.goldens.shape("logits")[0]
        #expect(Closeness(try parts.logits(rows: rows), wanted).maximumDifference < 1e-4)
      }
    }
  }
}

@Suite("Parts that contradict their configuration")
struct PartsRefusalTests {
  /// What is wrong with a golden case after a change.
  private func problems(
    of name: String, _ edit: [String: Any] = [:], _ change: (inout [TensorData]) throws -> Void = { _ in }
  ) throws -> [String] {
    try ScratchFolder.with { scratch in
      let parts = try PartsCase(name)
      let copy = try AdapterCopy(of: "parts/\(name)", in: scratch)
      try copy.edit(edit)
      try copy.changeTensors(change)
      do {
        _ = try PEFTAdapter.load(folder: copy.url, for: parts.model)
        return []
      } catch let error as PEFTError {
        return error.problems
      }
    }
  }

  @Test(
    "what PEFT would pass over is named",
    arguments: [
      ("dora", "use_dora", false as any Sendable, "use_dora"),
      ("bias-of-b", "lora_bias", false, "lora_bias"),
      ("head", "target_modules", ["q_proj", "v_proj", "o_proj"], "lm_head: has tensors"),
      ("head", "target_modules", "all-linear", "lm_head: has tensors"),
      ("embedding", "layers_to_transform", 1, "embed_tokens: has tensors"),
      ("head", "ensure_weight_tying", true, "ensure_weight_tying"),
      ("bias-all", "bias", "some", "bias"),
      ("saved-norms", "modules_to_save", ["norm", "classifier"], "classifier"),
      ("saved-norms", "modules_to_save", ["norm", "lm_head"], "lm_head: is named by"),
      ("saved-norms", "modules_to_save", "norm", "modules_to_save"),
      ("dora", "lora_bias", true, "lora_bias"),
    ])
  func contradictions(_ name: String, _ key: String, _ value: any Sendable, _ words: String) throws {
    let problems = try problems(of: name, [key: value])
    #expect(problems.contains { $0.contains(words) }, "\(words) in \(problems)")
  }

  @Test("tensors that are missing, or of another shape, are named")
  func tensors() throws {
    for (name, end) in [
      ("dora", "lora_magnitude_vector"), ("bias-of-b", "lora_B.bias"), ("bias-lora-only", "base_layer.bias"),
      ("head", "lora_B.weight"), ("embedding", "lora_embedding_A"), ("saved-norms", "model.language_model.norm.weight"),
    ] {
      let without = try problems(of: name) { $0.removeAll { $0.name.hasSuffix(end) } }
      #expect(!without.isEmpty, "\(name) without \(end)")
      let short = try problems(of: name) { tensors in
        tensors = tensors.map {
          $0.name.hasSuffix(end) ? TensorData(name: $0.name, shape: [1, 1, 1], values: [0]) : $0
        }
      }
      #expect(short.contains { $0.contains("has shape [1, 1, 1]") }, "\(name): \(short)")
      let odd = try problems(of: name) { tensors in
        tensors = tensors.map {
          guard $0.name.hasSuffix(end) else { return $0 }
          let count = $0.shape.reduce(1, *)
          return TensorData(name: $0.name, shape: $0.shape, values: [Float](repeating: .nan, count: count))
        }
      }
      #expect(odd.contains { $0.contains("finite") }, "\(name): \(odd)")
    }
  }

  @Test("ranks of nothing are refused")
  func noRank() throws {
    let problems = try problems(of: "head") { tensors in
      tensors = tensors.map { tensor in
        guard tensor.name.contains("lm_head.lora_") else { return tensor }
        let shape = tensor.name.contains("lora_A") ? [0, 64] : [401, 0]
        return TensorData(name: tensor.name, shape: shape, values: [])
      }
    }
    #expect(problems.contains { $0.contains("lm_head.lora_A.weight: has shape [0, 64]") }, "\(problems)")
  }

  @Test("a magnitude beside a weight of no length is refused")
  func noNorm() throws {
    let problems = try problems(of: "dora-ends") { tensors in
      tensors = tensors.map { $0.name.contains("lm_head") && !$0.name.hasSuffix("vector") ? $0.zeroed() : $0 }
      // Both ends share the weight.
      tensors = tensors.map { $0.name.contains("embed_tokens.base_layer") ? $0.zeroed() : $0 }
    }
    #expect(problems.contains { $0.contains("lm_head: output 0") }, "\(problems)")
  }

  @Test("two weights for one matrix are refused")
  func tied() throws {
    let problems = try problems(of: "shared-ends") { tensors in
      tensors = tensors.map { $0.name.contains("lm_head") ? $0.zeroed() : $0 }
    }
    #expect(problems.contains { $0.contains("tie_word_embeddings") }, "\(problems)")
  }

  @Test("names that PEFT doesn't read are refused, unless they hold the model's own")
  func names() throws {
    let weight = "model.language_model.layers.1.self_attn.q_proj"
    let ends = ["bias", "original_module.bias", "modules_to_save.bias", "modules_to_save.default.bias"]
    for end in ends {
      let problems = try problems(of: "dora") { tensors in
        let bias = try #require(tensors.first { $0.name.hasSuffix("\(weight).base_layer.bias") })
        tensors.append(bias.named("base_model.model.\(weight).\(end)"))
      }
      #expect(problems.contains { $0.contains("q_proj.\(end)") }, "\(end): \(problems)")
    }
    let unwrapped = try problems(of: "bias-all") { tensors in
      tensors = tensors.map {
        let (from, to) = ("layers.0.self_attn.q_proj.bias", "layers.0.self_attn.q_proj.base_layer.bias")
        return $0.named($0.name.replacingOccurrences(of: from, with: to))
      }
    }
    #expect(unwrapped.contains { $0.contains("layers.0.self_attn.q_proj.base_layer.bias") }, "\(unwrapped)")
    // As some versions of PEFT write modules_to_save.
    let saved = try problems(of: "saved-head") { tensors in
      let head = try #require(tensors.first { $0.name.hasSuffix("lm_head.weight") })
      tensors.append(head.named("base_model.model.lm_head.modules_to_save.weight"))
    }
    #expect(saved.isEmpty, "\(saved)")
  }

  @Test("parts of the vision tower are named, with the command that merges them")
  func vision() throws {
    try ScratchFolder.with { scratch in
      let copy = try AdapterCopy(of: "parts/bias-all", in: scratch)
      try copy.changeTensors { tensors in
        tensors = tensors.map { $0.name.hasSuffix("visual.blocks.1.attn.qkv.bias") ? $0.zeroed() : $0 }
        for end in ["lora_A.weight", "lora_B.weight"] {
          tensors.append(
            TensorData(name: "base_model.model.model.visual.merger.mlp.0.\(end)", shape: [1, 1], values: [0]))
        }
      }
      let error = try #require(throws: PEFTError.self) { try PEFTAdapter.load(folder: copy.url, for: tiny()) }
      #expect(error.problems.count == 1, "\(error.problems)")
      for words in [
        "model.visual.blocks.1.attn.qkv, model.visual.merger.mlp.0: are of the vision tower", "never adapted",
      ] {
        #expect(error.problems[0].contains(words), "\(words) in \(error)")
      }
      for words in ["merge_and_unload", copy.url.path, "nested/checkpoint", "--model"] {
        #expect(error.description.contains(words), "\(words) in \(error)")
      }
    }
  }

  @Test("every field that changes the numbers is applied or refused, and what isn't known too")
  func fields() throws {
    for key in PEFTFields.refused.map(\.key) + ["something_new"] {
      let problems = try problems(of: "head", [key: ["x": 1]])
      #expect(problems.contains { $0.contains("`\(key)`") }, "\(key) in \(problems)")
      #expect(try self.problems(of: "head", [key: NSNull()]).isEmpty)
    }
    for initial in ["pissa", "pissa_niter_8", "olora", "corda", "loftq", "lora_ga", "PiSSA"] {
      #expect(try problems(of: "head", ["init_lora_weights": initial]).contains { $0.contains("init_lora_weights") })
    }
    for initial in [true, false, "gaussian", "eva", "orthogonal", "mica"] as [Any] {
      #expect(try problems(of: "head", ["init_lora_weights": initial]).isEmpty)
    }
  }
}

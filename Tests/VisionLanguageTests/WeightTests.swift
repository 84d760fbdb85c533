import Foundation
import Safetensors
import Testing

@testable import VisionLanguage

@Suite("A checkpoint's weights")
struct WeightTests {
  private func problems(_ folder: ModelFolder) throws -> [String] {
    do {
      _ = try loadModel(folder.url)
      return []
    } catch let error as WeightError {
      #expect(error.folder == folder.url.path && error.description.contains(folder.url.path))
      return error.problems
    }
  }

  @Test("one error names everything that is wrong, tensor by tensor", arguments: GoldenSample.folders)
  func everything(_ name: String) throws {
    let folder = try ModelFolder(of: name)
    defer { folder.remove() }
    var tensors = try folder.tensors()
    func take(_ ending: String) throws -> TensorData {
      tensors.remove(at: try #require(tensors.firstIndex { $0.name.hasSuffix(ending) }))
    }
    let missing = try take("layers.1.self_attn.q_proj.bias")
    let misshapen = try take("layers.0.mlp.up_proj.weight")
    tensors.append(
      TensorData(
        name: misshapen.name, dtype: misshapen.dtype, shape: misshapen.shape.reversed(), bytes: misshapen.bytes))
    let integers = try take("blocks.1.norm2.weight")
    let count = integers.shape[0]
    tensors.append(
      TensorData(name: integers.name, dtype: .i64, shape: [count], bytes: [UInt8](repeating: 0, count: 8 * count)))
    let doubles = try take("merger.mlp.0.weight")
    tensors.append(
      TensorData(
        name: doubles.name, dtype: .f64, shape: doubles.shape,
        bytes: [UInt8](repeating: 0, count: doubles.shape.reduce(8, *))))
    tensors.append(TensorData(name: "model.layers.99.extra", shape: [2], values: [1, 2]))
    try folder.write(tensors)

    let problems = try problems(folder)
    #expect(problems.count == 5, "\(problems)")
    for (name, reason) in [
      (missing.name, "is missing"), (misshapen.name, "has shape"), (integers.name, "I64"), (doubles.name, "F64"),
      ("model.layers.99.extra", "is unexpected"),
    ] {
      #expect(problems.contains { $0.hasPrefix(name) && $0.contains(reason) }, "\(name): \(problems)")
    }
  }

  @Test("any one tensor that is missing is named", arguments: GoldenSample.folders)
  func missing(_ name: String) throws {
    let folder = try ModelFolder(of: name)
    defer { folder.remove() }
    let tensors = try folder.tensors().sorted { $0.name < $1.name }
    // One of the decoder, one of the vision tower, one beside the layers.
    for ending in [
      "input_layernorm.weight", "attn.qkv.weight", "attn.qkv.bias", "merger.ln_q.bias", "model.norm.weight",
      "language_model.norm.weight",
    ] {
      guard let gone = tensors.first(where: { $0.name.hasSuffix(ending) }) else { continue }
      try folder.write(tensors.filter { $0.name != gone.name })
      let problems = try problems(folder)
      #expect(problems.count == 1 && problems.first?.hasPrefix(gone.name + ":") == true, "\(problems)")
    }
  }

  @Test("a checkpoint with no embeddings under either name is refused")
  func noEmbeddings() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try folder.write(folder.tensors().filter { !$0.name.hasSuffix("embed_tokens.weight") })
    #expect(try problems(folder).contains { $0.contains("embed_tokens.weight: is missing") })
  }

  @Test("an empty checkpoint is refused")
  func empty() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try folder.write([TensorData]())
    #expect(try problems(folder).count > 20)
  }

  @Test("an output head beside tied embeddings is let be, if it has the right shape")
  func outputHead() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let tensors = try folder.tensors()
    let embeddings = try #require(tensors.first { $0.name.hasSuffix("embed_tokens.weight") })
    try folder.write(tensors + [embeddings.named("lm_head.weight")])
    #expect(try problems(folder).isEmpty)
    try folder.write(tensors + [TensorData(name: "lm_head.weight", shape: [2], values: [1, 2])])
    #expect(try problems(folder).first?.hasPrefix("lm_head.weight: has shape [2]") == true)
  }

  @Test("an output head that isn't tied must be there")
  func untied() throws {
    let folder = try ModelFolder(of: "published")
    defer { folder.remove() }
    try folder.write(folder.tensors().filter { $0.name != "lm_head.weight" })
    #expect(try problems(folder).first?.hasPrefix("lm_head.weight: is missing") == true)
  }

  @Test("weights by either set of names, in one file or in shards, give the same scores")
  func names() throws {
    func scores(_ folder: URL, _ sample: GoldenSample) throws -> [Float] {
      let model = try loadModel(folder)
      return try model.scores(sample.image(), [model.sequence(sample.input)])[0]
    }
    for name in GoldenSample.folders {
      let sample = try GoldenSample.samples(of: name)[0]
      let expected = try scores(checkpoint(name), sample)
      let folder = try ModelFolder(of: name)
      defer { folder.remove() }
      let tensors = try folder.tensors()
      try folder.write(tensors)
      #expect(try scores(folder.url, sample) == expected, "\(name) in one file")
      try folder.write(tensors.map { $0.named(otherName($0.name)) })
      #expect(try scores(folder.url, sample) == expected, "\(name) by other names")
      // Some of one set of names, some of the other.
      try folder.write(tensors.map { $0.name.contains("visual.") ? $0 : $0.named(otherName($0.name)) })
      #expect(try scores(folder.url, sample) == expected, "\(name) by mixed names")
      try folder.write(tensors.map { $0.name.contains("layers.1.") ? $0.named(otherName($0.name)) : $0 })
      #expect(try scores(folder.url, sample) == expected, "\(name), one layer by other names")
    }
  }

  @Test("one tensor by both of its names is refused")
  func bothNames() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let tensors = try folder.tensors()
    let one = try #require(tensors.first { $0.name.hasSuffix("layers.0.mlp.up_proj.weight") })
    try folder.write(tensors + [one.named(otherName(one.name))])
    let problems = try problems(folder)
    #expect(
      problems.count == 1 && problems[0].contains(one.name) && problems[0].contains(otherName(one.name)), "\(problems)")
  }

  /// The published names for the nested ones, and the other way round.
  private func otherName(_ name: String) -> String {
    for (nested, flat) in [("model.language_model.", "model."), ("model.visual.", "visual.")] {
      if name.hasPrefix(nested) { return flat + name.dropFirst(nested.count) }
    }
    if name.hasPrefix("visual.") { return "model." + name }
    return name.hasPrefix("model.") ? "model.language_model." + name.dropFirst(6) : name
  }

  @Test("a file whose header leaves every tensor unaligned gives the same scores", arguments: [1, 2, 3])
  func unaligned(_ shift: Int) throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let sample = try GoldenSample.samples(of: "nested")[0]
    let aligned = try loadModel(folder.url)
    let expected = try aligned.scores(sample.image(), [aligned.sequence(sample.input)])[0]
    let file = folder.file("model.safetensors")
    var bytes = [UInt8](try Data(contentsOf: file))
    let header = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
    // Spaces behind the header move everything.
    bytes.insert(contentsOf: [UInt8](repeating: 0x20, count: shift), at: 8 + header)
    for place in 0..<8 { bytes[place] = UInt8(truncatingIfNeeded: (header + shift) >> (8 * place)) }
    try Data(bytes).write(to: file)
    let model = try loadModel(folder.url)
    #expect(try model.scores(sample.image(), [model.sequence(sample.input)])[0] == expected)
  }

  @Test(
    "unused tensors are reported once, and the model is the same",
    arguments: [
      "v_head.summary.weight", "score.weight", "value_head.0.bias", "model.layers.0.self_attn.rotary_emb.inv_freq",
      "model.language_model.rotary_emb.inv_freq", "visual.rotary_pos_emb.inv_freq", "model.embed_tokens.position_ids",
    ])
  func unused(_ name: String) throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    #expect(try loadModel(folder.url).remarks.general.isEmpty)
    try folder.write(folder.tensors() + [TensorData(name: name, shape: [2], values: [1, 2])])
    let remarks = try loadModel(folder.url).remarks.general
    #expect(remarks.count == 1 && remarks[0].contains(name), "\(remarks)")
  }

  @Test(
    "a tensor that a number could depend on is refused, whatever it is",
    arguments: [
      "model.layers.0.self_attn.o_proj.bias", "model.layers.0.self_attn.q_norm.weight", "model.layers.0.ls1.lambda",
      "model.language_model.layers.4.mlp.up_proj.weight", "lm_head.bias", "visual.blocks.0.attn.q_norm.weight",
      "model.visual.merger.extra.weight", "model.visual_adapter.weight", "model.embed_tokens.weight_scale",
      "model.layers.0.mlp.up_proj.qweight", "model.layers.0.mlp.up_proj.weight.absmax",
      "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight", "prompt_encoder.embedding.weight",
      "model.layers.0.mlp.up_proj.base_layer.weight", "transformer.h.0.attn.weight_scale_inv",
    ])
  func harmful(_ name: String) throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try folder.write(folder.tensors() + [TensorData(name: name, shape: [2], values: [1, 2])])
    let problems = try problems(folder)
    #expect(problems.count == 1 && problems[0].hasPrefix(name + ": "), "\(problems)")
  }

  @Test(
    "of a tied head and the embeddings either may be there; where both are and differ, the head is used and told of")
  func tied() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let tensors = try folder.tensors()
    let table = try #require(tensors.first { $0.name.hasSuffix("embed_tokens.weight") })
    func weights() throws -> DecoderWeights {
      try DecoderWeights(
        qwenLoader(SafetensorsCheckpoint(folder: folder.url)),
        Qwen2VLConfiguration(contentsOf: folder.file("config.json")).text, prefix: "model.language_model.")
    }
    let expected = try weights().embeddings.floats()
    #expect(try weights().isHeadTied)

    try folder.write(tensors.filter { $0.name != table.name } + [table.named("lm_head.weight")])
    #expect(try weights().embeddings.floats() == expected)
    #expect(try weights().isHeadTied)

    try folder.write(tensors + [table.named("lm_head.weight")])
    #expect(try weights().isHeadTied && weights().remarks.isEmpty)

    var values = expected
    values[3] += 1
    try folder.write(tensors + [TensorData(name: "lm_head.weight", shape: table.shape, values: values)])
    let untied = try weights()
    #expect(!untied.isHeadTied && untied.remarks.count == 1 && untied.remarks[0].contains("lm_head.weight"))
    #expect(untied.outputHead.floats() == values && untied.embeddings.floats() == expected)

    // The same numbers in another type are the same.
    try folder.write(tensors + [TensorData(name: "lm_head.weight", shape: table.shape, values: expected)])
    #expect(try weights().isHeadTied)
  }

  @Test("the sizes that a run's cost is estimated from are those of the weights", arguments: GoldenSample.folders)
  func dimensions(_ name: String) throws {
    let folder = try ModelFolder(of: name)
    defer { folder.remove() }
    func multiplications(_ isCounted: (String) -> Bool) throws -> Int {
      try folder.tensors().filter { $0.shape.count > 1 && isCounted($0.name) }.reduce(0) { $0 + $1.shape.reduce(1, *) }
    }
    let model = try loadModel(folder.url)
    #expect(model.dimensions.decoderMultiplications == (try multiplications { $0.contains(".layers.") }))
    let perPatch = try multiplications { $0.contains("blocks.") || $0.contains("patch_embed.") }
    // A visual token is four patches.
    let perToken = try multiplications { $0.contains("merger.mlp.") }
    #expect(model.dimensions.visionMultiplications == perPatch + perToken / 4)
    #expect(model.dimensions.layers == model.decoder.layers.count && model.dimensions.heads == model.numAttentionHeads)
  }

  @Test("a weight file cut short is refused, naming it", arguments: [0, 7, 8, 100, 5000, 500_000])
  func truncated(_ count: Int) throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let file = folder.file("model.safetensors")
    try Data(contentsOf: file).prefix(count).write(to: file)
    #expect { try loadModel(folder.url) } throws: { $0 is SafetensorsError && "\($0)".contains(file.path) }
  }

  @Test("a config.json that asks for more than the checkpoint holds is refused fast, whatever it asks for")
  func lies() throws {
    let asked: [[(String, String)]] = [
      [("text_config.num_hidden_layers", "10000")],
      [("vision_config.depth", "10000")],
      [("text_config.vocab_size", "100000000")],
      [("vision_config.mlp_ratio", "1000")], [("vision_config.mlp_ratio", "0.1")],
      [
        ("text_config.hidden_size", "1000000"), ("vision_config.hidden_size", "1000000"),
        ("text_config.rope_parameters.mrope_section", "[0,0,125000]"), ("text_config.num_attention_heads", "4"),
      ],
      [
        ("text_config.hidden_size", "1000000"), ("vision_config.hidden_size", "1000000"),
        ("text_config.num_attention_heads", "500"), ("text_config.num_key_value_heads", "500"),
        ("text_config.rope_parameters.mrope_section", "[500,500,0]"), ("text_config.intermediate_size", "1000000"),
        ("text_config.num_hidden_layers", "10000"), ("text_config.vocab_size", "100000000"),
        ("vision_config.embed_dim", "1000000"), ("vision_config.num_heads", "1000"), ("vision_config.depth", "10000"),
        ("vision_config.mlp_ratio", "1000"),
      ],
    ]
    for changes in asked {
      let folder = try ModelFolder(of: "nested")
      defer { folder.remove() }
      for (key, json) in changes { try folder.edit("config.json", key, json) }
      let start = ContinuousClock.now
      let refused = #expect(throws: (any Error).self) { try loadModel(folder.url) }
      #expect(ContinuousClock.now - start < .seconds(20), "\(changes)")
      // Sizes near the limits may be refused as settings; the rest is refused for its tensors.
      #expect(refused is WeightError || refused is ConfigurationError, "\(changes): \(String(describing: refused))")
      if let refused { #expect("\(refused)".count < 20_000) }
    }
  }
}

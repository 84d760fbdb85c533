import Foundation
import HeadImpact
import Kernels
import TestSupport
import Testing

@testable import VisionLanguage

@Suite("Language models of config.json")
struct DecoderConfigurationTests {
  private static let sizes =
    #""hidden_size": 96, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 6, "vocab_size": 50"#

  private func read(
    _ more: String = "", kind: DecoderConfiguration.Kind, top: String = "", ties: Bool = false, textTies: Bool = false
  ) throws -> DecoderConfiguration {
    try ScratchFolder.with { folder in
      let url = folder.file("config.json")
      try Data("{\(top) \"text_config\": {\(Self.sizes)\(more)}}".utf8).write(to: url)
      let file = try ConfigurationFile(contentsOf: url)
      let text = try #require(try file.object("text_config"))
      return try DecoderConfiguration(text, of: file, kind: kind, family: "Test", ties: ties, textTies: textTies)
    }
  }

  @Test("what a file leaves out is the default of transformers' class")
  func defaults() throws {
    let llama = try read(kind: .llama)
    #expect(llama.headDim == 16 && llama.numKeyValueHeads == 6 && llama.rmsNormEps == 1e-6)
    #expect(!llama.hasQueryKeyValueBias && !llama.hasOutputBias && !llama.hasQueryKeyNorm && !llama.tieWordEmbeddings)
    let qwen2 = try read(kind: .qwen2)
    #expect(qwen2.headDim == 16 && qwen2.hasQueryKeyValueBias && !qwen2.hasOutputBias)
    let qwen3 = try read(kind: .qwen3)
    #expect(qwen3.headDim == 128 && qwen3.hasQueryKeyNorm && !qwen3.hasQueryKeyValueBias)
    #expect(qwen3.shape.queryWidth == 768 && qwen3.shape.keyValueWidth == 768)
  }

  @Test("Gemma's classes have norms of 1 + w, factors, softcaps and windows")
  func gemma() throws {
    // Not as many key/value heads as heads: GemmaConfig's own number, 16, which is none for six heads.
    let error = try #require(throws: ConfigurationError.self) { try read(kind: .gemma) }
    #expect(error.reason.hasPrefix("is 16"))
    let gemma = try read(#", "num_key_value_heads": 2"#, kind: .gemma)
    #expect(gemma.headDim == 256 && gemma.numKeyValueHeads == 2 && gemma.activation == .tanhGELU)
    #expect(gemma.normWeightOffset == 1 && !gemma.hasOutputNorms && gemma.embeddingFactor == Float(96).squareRoot())
    #expect(gemma.shape.scoreScale == 1 / 16 && gemma.scoreSoftcap == nil && gemma.windows == [nil, nil, nil])
    let gemma2 = try read(#", "num_key_value_heads": 2"#, kind: .gemma2)
    #expect(
      gemma2.scoreSoftcap == 50 && gemma2.logitSoftcap == 30 && gemma2.windows == [4096, nil, 4096]
        && gemma2.hasOutputNorms)
    let gemma3 = try read(#", "num_key_value_heads": 2"#, kind: .gemma3)
    #expect(gemma3.windows == [4096, 4096, 4096] && gemma3.windowsHaveOwnRotary && gemma3.windowHoldsBothWays)
    #expect(gemma3.hasQueryKeyNorm && gemma3.scoreSoftcap == nil && gemma3.logitSoftcap == nil)
  }

  @Test("Gemma's files give windows by their size, a period or the layers' kinds; null switches a softcap off")
  func gemmaGiven() throws {
    let heads = #", "num_key_value_heads": 2"#
    let two = try read(
      heads + #", "sliding_window": 8, "query_pre_attn_scalar": 64, "attn_logit_softcapping": null"#, kind: .gemma2)
    #expect(two.windows == [8, nil, 8] && two.shape.scoreScale == 0.125 && two.shape.softcap == nil)
    #expect(try read(heads + #", "sliding_window_pattern": 2"#, kind: .gemma3).windows == [4096, nil, 4096])
    let types = #", "layer_types": ["full_attention", "sliding_attention", "full_attention"], "sliding_window": 5"#
    #expect(try read(heads + types, kind: .gemma3).windows == [nil, 5, nil])
    #expect(try read(heads + #", "hidden_act": "gelu""#, kind: .gemma).activation == .tanhGELU)
    for (more, key) in [
      (#", "layer_types": ["full_attention"]"#, "layer_types"),
      (#", "hidden_activation": "silu""#, "hidden_activation"),
      (#", "layer_types": ["chunked_attention", "full_attention", "full_attention"]"#, "layer_types"),
      (#", "use_bidirectional_attention": true"#, "use_bidirectional_attention"),
    ] {
      let error = try #require(throws: ConfigurationError.self) { try read(heads + more, kind: .gemma2) }
      #expect(error.key == "text_config." + key, "\(error)")
    }
    let error = try #require(throws: ConfigurationError.self) {
      try read(#", "attn_logit_softcapping": 50"#, kind: .llama)
    }
    #expect(error.key == "text_config.attn_logit_softcapping")
  }

  @Test("what a file gives counts")
  func given() throws {
    let llama = try read(
      #", "head_dim": 24, "num_key_value_heads": 2, "attention_bias": true, "rms_norm_eps": 1e-5"#, kind: .llama)
    #expect(llama.headDim == 24 && llama.numKeyValueHeads == 2 && llama.rmsNormEps == 1e-5)
    #expect(llama.hasQueryKeyValueBias && llama.hasOutputBias)
    #expect(try read(#", "attention_dropout": 0.1"#, kind: .llama).remarks.count == 1)
  }

  @Test("embeddings are tied by the top level's flag, and by the text's only where the family counts it")
  func ties() throws {
    let inText = #", "tie_word_embeddings": true"#
    #expect(try !read(inText, kind: .llama).tieWordEmbeddings)
    #expect(try read(inText, kind: .llama, textTies: true).tieWordEmbeddings)
    #expect(try read(kind: .llama, ties: true).tieWordEmbeddings)
    #expect(try !read(kind: .llama, top: #""tie_word_embeddings": false,"#, ties: true).tieWordEmbeddings)
    #expect(try read(kind: .llama, top: #""tie_word_embeddings": true,"#).tieWordEmbeddings)
  }

  @Test(
    "what would give other numbers is refused, naming the key",
    arguments: [
      (#", "hidden_act": "gelu""#, "hidden_act"), (#", "mlp_bias": true"#, "mlp_bias"),
      (#", "model_type": "qwen2""#, "model_type"), (#", "head_dim": 15"#, "head_dim"),
      (#", "num_key_value_heads": 4"#, "num_key_value_heads"), (#", "use_sliding_window": true"#, "use_sliding_window"),
      (#", "layer_types": ["sliding_attention"]"#, "layer_types"), (#", "attention_bias": 1"#, "attention_bias"),
    ])
  func refused(more: String, key: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try read(more, kind: .llama) }
    #expect(error.key == "text_config." + key, "\(error)")
  }

  @Test("a tensor that is missing has the name that the file's others suggest")
  func missingNames() {
    let (layer, norm) = ("model.language_model.layers.1.mlp.up_proj.weight", "model.vision_tower.layernorm.bias")
    for (names, written) in [
      // InternVL's old names, those of a SigLIP tower, and new ones, without a head.
      (
        ["language_model.model.norm.weight", "vision_tower.encoder.x"],
        [
          "language_model.model.layers.1.mlp.up_proj.weight", "vision_tower.layernorm.bias",
          "language_model.lm_head.weight",
        ]
      ),
      (
        ["language_model.model.norm.weight", "vision_tower.vision_model.encoder.x"],
        [
          "language_model.model.layers.1.mlp.up_proj.weight", "vision_tower.vision_model.layernorm.bias",
          "language_model.lm_head.weight",
        ]
      ),
      (["model.language_model.norm.weight", "model.vision_tower.encoder.x"], [layer, norm, "lm_head.weight"]),
      (["model.language_model.norm.weight", "vision_tower.encoder.x"], [layer, "vision_tower.layernorm.bias"]),
    ] {
      let file = TensorNames.llavaLike(names)
      #expect(zip([layer, norm, "lm_head.weight"], written).allSatisfy { file.written($0) == $1 }, "\(names)")
      #expect([layer, norm, "lm_head.weight"].allSatisfy { file.current(file.written($0)) == $0 })
    }
  }

  @Test("rotary settings are read from either key, and another kind is refused")
  func rope() throws {
    func theta(_ json: String) throws -> Double {
      try ScratchFolder.with { folder in
        let url = folder.file("config.json")
        try Data(json.utf8).write(to: url)
        return try DecoderConfiguration.rope(
          ConfigurationFile(contentsOf: url), kinds: ["default"], theta: 10_000, family: "Test"
        ).theta
      }
    }
    #expect(try theta("{}") == 10_000)
    #expect(try theta(#"{"rope_theta": 5000}"#) == 5000)
    #expect(try theta(#"{"rope_theta": 5000, "rope_scaling": null}"#) == 5000)
    #expect(try theta(#"{"rope_parameters": {"rope_type": "default", "rope_theta": 7}}"#) == 7)
    let error = try #require(throws: ConfigurationError.self) {
      try theta(#"{"rope_scaling": {"type": "linear", "factor": 2}}"#)
    }
    #expect(error.key == "rope_scaling.type")
  }
}

@Suite("Names of tensors")
struct TensorNamesTests {
  @Test("old names become those of transformers 5, and new ones stay")
  func current() {
    let names = TensorNames.llavaLike(["language_model.model.norm.weight"])
    for (old, new) in [
      ("language_model.model.layers.0.mlp.up_proj.weight", "model.language_model.layers.0.mlp.up_proj.weight"),
      ("language_model.lm_head.weight", "lm_head.weight"),
      ("vision_tower.vision_model.encoder.layers.1.mlp.fc1.bias", "model.vision_tower.encoder.layers.1.mlp.fc1.bias"),
      ("vision_tower.encoder.layers.1.mlp.fc1.bias", "model.vision_tower.encoder.layers.1.mlp.fc1.bias"),
      ("model.vision_tower.vision_model.post_layernorm.bias", "model.vision_tower.post_layernorm.bias"),
      ("image_newline", "model.image_newline"),
      ("model.language_model.norm.weight", "model.language_model.norm.weight"), ("lm_head.weight", "lm_head.weight"),
    ] {
      #expect(names.current(old) == new)
    }
  }

  @Test("a missing tensor is named as the file would name it")
  func written() {
    let old = TensorNames.llavaLike(["language_model.model.norm.weight", "language_model.lm_head.weight"])
    #expect(old.written("model.language_model.norm.weight") == "language_model.model.norm.weight")
    #expect(old.written("lm_head.weight") == "language_model.lm_head.weight")
    let new = TensorNames.llavaLike(["model.language_model.norm.weight", "lm_head.weight"])
    #expect(new.written("model.language_model.norm.weight") == "model.language_model.norm.weight")
    #expect(new.written("lm_head.weight") == "lm_head.weight")
    #expect(new.written("model.vision_tower.x") == "model.vision_tower.x")
  }
}

@Suite("Costs")
struct CostTests {
  private let dimensions = ModelDimensions(
    layers: 2, heads: 2, hiddenSize: 8, intermediateSize: 16, queryWidth: 12, keyValueWidth: 4,
    vision: ModelDimensions.Vision(
      layers: 3, width: 10, intermediateSize: 20, patchWidth: 12, connectorMultiplications: 7), templateTokens: 5)

  @Test("a pass costs its linear layers and what its rows see: of tiles, each sees itself only")
  func multiplications() throws {
    let decoder = 2 * (2 * 8 * 12 + 2 * 8 * 4 + 3 * 8 * 16)
    #expect(dimensions.multiplications(nil, textRows: 6) == Double(6 * (decoder + 2 * 12 * 6)))
    let cell = Cell(x0: 0, y0: 0, x1: 1, y1: 1)
    let grid = ViewGrid(rows: 1, cols: 1)
    let layout = VisualLayout(
      views: [(.tile, grid), (.tile, grid), (.wholeImage, grid)], cells: [cell, cell, nil, cell], text: "", patches: 12)
    #expect(layout.load == VisualLayout.Load(imageTokens: 4, patches: 12, patchesInView: 4))
    let patch = 3 * (4 * 10 * 10 + 2 * 10 * 20) + 12 * 10 + 7
    #expect(
      dimensions.multiplications(layout.load, textRows: 2)
        == Double(12 * (patch + 2 * 3 * 10 * 4) + 6 * (decoder + 2 * 12 * 6)))
  }

  @Test("windows and gates of a vision tower count as what they are")
  func windows() {
    var (plain, windowed) = (dimensions.vision, dimensions.vision)
    windowed.windowedLayers = 2
    windowed.windowPatches = 16
    #expect(plain.seen(ofView: 100) == 300 && windowed.seen(ofView: 100) == 132 && windowed.seen(ofView: 9) == 27)
    plain.isGated = true
    let gated = ModelDimensions(
      layers: 2, heads: 2, hiddenSize: 8, intermediateSize: 16, queryWidth: 12, keyValueWidth: 4, vision: plain,
      templateTokens: 5)
    let load = VisualLayout.Load(imageTokens: 4, patches: 12, patchesInView: 12)
    #expect(
      gated.multiplications(load, textRows: 2) - dimensions.multiplications(load, textRows: 2)
        == Double(12 * 3 * 10 * 20))
  }

  @Test("a chat's own tokens are counted with the folder's template", arguments: GoldenSample.folders)
  func template(_ folder: String) throws {
    let model = try loadModel(checkpoint(folder))
    let sequence = try model.sequence(prompt: "", description: "", layout: .row(of: 9))
    // The image counts as one token.
    #expect(abs(model.dimensions.templateTokens - (sequence.ids.count - 8)) <= 1)
  }
}

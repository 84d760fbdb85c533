import Foundation
import Kernels
import TestSupport
import Testing

@testable import VisionLanguage

@Suite("Gemma 3's config.json and its other files")
struct Gemma3ConfigurationTests {
  /// google/gemma-3-4b-it: seven keys of the language model, all else is default.
  private static let published = #"""
    {"architectures": ["Gemma3ForConditionalGeneration"], "boi_token_index": 255999, "eoi_token_index": 256000,
     "eos_token_id": [1, 106], "image_token_index": 262144, "initializer_range": 0.02, "mm_tokens_per_image": 256,
     "model_type": "gemma3",
     "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
       "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024},
     "torch_dtype": "bfloat16", "transformers_version": "4.50.0.dev0",
     "vision_config": {"hidden_size": 1152, "image_size": 896, "intermediate_size": 4304, "model_type": "siglip_vision_model",
       "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14, "vision_use_head": false}}
    """#

  @Test("the published file, which leaves out nearly all, is read with the class's defaults")
  func sparse() throws {
    let read = try configuration(Self.published)
    let text = read.text
    #expect(text.numAttentionHeads == 8 && text.numKeyValueHeads == 4 && text.headDim == 256)
    #expect(text.vocabularySize == 262_208 && text.rmsNormEps == 1e-6 && text.tieWordEmbeddings)
    #expect(text.scoreScale == 1 / 16 && text.embeddingFactor == Float(2560).squareRoot())
    #expect(text.windows.count == 34 && text.windows.enumerated().allSatisfy { ($1 == nil) == (($0 + 1) % 6 == 0) })
    #expect(Set(text.windows) == [1024, nil])
    #expect(read.rotary == [.init(theta: 1e6, factor: 8), .init(theta: 1e4, factor: 1)])
    #expect(read.tokensASide == 16 && read.poolSize == 4 && read.imageToken.id == 262_144)
    #expect(read.vision.patchesASide == 64 && read.vision.layerNormEps == 1e-6)
  }

  @Test("kinds of layers and rotary embeddings of files that transformers 5 saved")
  func saved() throws {
    let read = try configuration(of: "gemma3_saved")
    #expect(read.text.windows == [nil, 12, 12] && !read.text.tieWordEmbeddings && read.tokensASide == 4)
    #expect(read.rotary == [.init(theta: 1e6, factor: 8), .init(theta: 1e4, factor: 1)])
    #expect(read.text.scoreScale == Float(1 / 7.0.squareRoot()))
    let old = try configuration(of: "gemma3")
    #expect(old.text.windows == [20, 20, nil, 20] && old.text.tieWordEmbeddings)
  }

  @Test(
    "rotary embeddings, old keys and new",
    arguments: [
      (#"{}"#, [1e6, 1], [1e4, 1]), (#"{"rope_theta": 5e5, "rope_local_base_freq": 2e4}"#, [5e5, 1], [2e4, 1]),
      (#"{"rope_scaling": null}"#, [1e6, 1], [1e4, 1]),
      (#"{"rope_scaling": {"type": "default", "rope_type": "linear", "factor": 2}}"#, [1e6, 2], [1e4, 1]),
      (#"{"rope_parameters": {"full_attention": {"type": "linear", "factor": 2}}}"#, [1e6, 2], [1e4, 1]),
      (
        // The newer object, and what the older one says of its keys.
        #"{"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 4}}, "rope_scaling": {"rope_type": "default"}}"#,
        [1e6, 1], [1e4, 1]
      ),
      (#"{"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 7e5}}}"#, [7e5, 1], [1e4, 1]),
      (
        #"{"rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 4, "rope_theta": 300}}}"#,
        [1e6, 1], [300, 4]
      ),
      (
        #"{"rope_parameters": {"full_attention": {"rope_theta": 7e5}}, "rope_scaling": {"rope_type": "linear", "factor": 3}}"#,
        [7e5, 3], [1e4, 1]
      ),
    ] as [(String, [Double], [Double])])
  func rotary(json: String, full: [Double], windowed: [Double]) throws {
    let read = try configuration(Self.published) { text in
      text["rope_scaling"] = nil
      let more = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any] ?? [:]
      text.merge(more) { $1 }
    }
    #expect(read.rotary.map { [$0.theta, Double($0.factor)] } == [full, windowed])
  }

  @Test(
    "what can't be computed is refused, naming the key",
    arguments: [
      ("text_config", nil, "text_config"), ("vision_config", nil, "vision_config"),
      ("text_config.model_type", #""gemma2""#, "text_config.model_type"),
      ("text_config.head_dim", "15", "text_config.head_dim"),
      ("text_config.hidden_activation", #""gelu""#, "text_config.hidden_activation"),
      ("text_config.rope_scaling", #"{"rope_type": "yarn", "factor": 8}"#, "text_config.rope_scaling"),
      ("text_config.rope_scaling", #"{"type": "linear", "factor": 8}"#, "text_config.rope_scaling.type"),
      ("text_config.head_dim", "15", "text_config.head_dim"),
      ("text_config.rope_scaling", #"{"rope_type": "linear"}"#, "text_config.rope_scaling.factor"),
      ("text_config.rope_parameters", #"{"rope_theta": 3, "rope_type": "default"}"#, "text_config.rope_parameters"),
      ("text_config.sliding_window", "null", "text_config.sliding_window"),
      ("text_config.sliding_window_pattern", "0", "text_config.sliding_window_pattern"),
      ("text_config.layer_types", #"["full_attention"]"#, "text_config.layer_types"),
      ("text_config.attn_logit_softcapping", "50", "text_config.attn_logit_softcapping"),
      ("text_config.final_logit_softcapping", "30", "text_config.final_logit_softcapping"),
      ("text_config.use_bidirectional_attention", "true", "text_config.use_bidirectional_attention"),
      ("vision_config.model_type", #""clip_vision_model""#, "vision_config.model_type"),
      ("mm_tokens_per_image", "8", "mm_tokens_per_image"), ("mm_tokens_per_image", "25", "mm_tokens_per_image"),
      ("image_token_index", "100000", "image_token_index"),
      ("quantization_config", #"{"quant_method": "x"}"#, "quantization_config"),
    ] as [(String, String?, String)])
  func refused(key: String, value: String?, named: String) throws {
    try ModelFolder.with(copyOf: "gemma3") { copy in
      try copy.edit("config.json", key, value)
      let error = try #require(throws: ConfigurationError.self) {
        try Gemma3Configuration(ConfigurationFile(contentsOf: copy.file("config.json")))
      }
      #expect(error.key.hasPrefix(named), "\(error)")
    }
  }

  @Test(
    "files of the folder that disagree, or ask for what isn't done, are refused, naming file and key",
    arguments: [
      ("processor_config.json", "image_seq_length", "81", "`image_seq_length` is 81; the model has 9"),
      ("preprocessor_config.json", "do_pan_and_scan", "true", "`do_pan_and_scan` is true"),
      ("preprocessor_config.json", "do_resize", "false", "`do_resize` is false"),
      ("preprocessor_config.json", "size", #"{"height": 96, "width": 112}"#, "`size.width` is 112"),
      ("preprocessor_config.json", "size", nil, "`size` is 224"),
      ("preprocessor_config.json", "image_processor_type", #""CLIPImageProcessor""#, "`image_processor_type` is CLIP"),
      ("config.json", "image_token_index", "7", "`image_token_index` is 7"),
      ("config.json", "boi_token_index", "7", "`boi_token_index` is 7"),
      ("config.json", "eoi_token_index", "7", "`eoi_token_index` is 7"),
      ("config.json", "model_type", #""gemma3_text""#, "sees no images"),
    ] as [(String, String, String?, String)])
  func disagreements(file: String, key: String, value: String?, words: String) throws {
    try ModelFolder.with(copyOf: "gemma3") { copy in
      try copy.edit(file, key, value)
      let found = failure {
        try ModelRegistry.load(
          folder: copy.url, input: InputOptions(resizing: .pillow),
          backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
      }
      #expect(found?.contains(words) == true && found?.contains(file) == true, "\(found ?? "no error")")
    }
  }

  @Test("a tensor that is missing has the name that the checkpoint would give it")
  func missing() throws {
    for (folder, name) in [
      ("gemma3", "multi_modal_projector.mm_input_projection_weight"),
      ("gemma3", "language_model.model.layers.2.pre_feedforward_layernorm.weight"),
      ("gemma3", "vision_tower.vision_model.post_layernorm.bias"),
      ("gemma3_saved", "model.language_model.layers.0.self_attn.q_norm.weight"), ("gemma3_saved", "lm_head.weight"),
    ] {
      try ModelFolder.with(copyOf: folder) { copy in
        try copy.write(copy.tensors().filter { $0.name != name })
        let found = failure {
          try ModelRegistry.load(
            folder: copy.url, input: InputOptions(resizing: .pillow),
            backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
        }
        #expect(found?.contains("\(name): is missing") == true, "\(found ?? "no error")")
      }
    }
  }

  private func configuration(of folder: String) throws -> Gemma3Configuration {
    try Gemma3Configuration(ConfigurationFile(contentsOf: checkpoint(folder).appendingPathComponent("config.json")))
  }

  /// - Parameter change: of text_config.
  private func configuration(
    _ json: String, _ change: (inout [String: Any]) throws -> Void = { _ in }
  ) throws -> Gemma3Configuration {
    try ScratchFolder.with { scratch in
      var values = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
      var text = try #require(values["text_config"] as? [String: Any])
      try change(&text)
      values["text_config"] = text
      let file = scratch.file("config.json")
      try JSONSerialization.data(withJSONObject: values).write(to: file)
      return try Gemma3Configuration(ConfigurationFile(contentsOf: file))
    }
  }
}

import Foundation
import Kernels
import Safetensors
import TestSupport
import Testing
import Transformer

@testable import VisionLanguage

@Suite("config.json and the folders of the LLaVA families")
struct LlavaConfigurationTests {
  @Test("what the published files say is read")
  func published() throws {
    let onevision = try LlavaConfiguration.of(checkpoint("llava_onevision"))
    #expect(onevision.text.hasQueryKeyValueBias && onevision.text.tieWordEmbeddings && onevision.ropeTheta == 1_000_000)
    #expect(!onevision.vision.hasClassToken && onevision.visionLayers == 2 && onevision.mostTiles == 3)
    #expect(onevision.pinpoints.count == 36 && onevision.pinpoints[1] == .init(width: 120, height: 60))
    let next = try LlavaConfiguration.of(checkpoint("llava_next"))
    #expect(next.vision.hasClassToken && next.visionLayers == 3 && next.mostTiles == nil)
    #expect(next.text.windows == [nil, nil, nil] && next.text.rmsNormEps == 1e-5 && !next.text.tieWordEmbeddings)
    let llava = try LlavaConfiguration.of(checkpoint("llava"))
    #expect(llava.pinpoints.isEmpty && llava.visionLayers == 2 && llava.ropeTheta == 10_000)
  }

  @Test("what a file leaves out is the default of transformers' classes")
  func sparse() throws {
    // As llava-hf/llava-1.5-7b-hf has it.
    let llava = try read(
      """
      {"model_type": "llava", "image_token_index": 32000, "text_config": {"model_type": "llama", "vocab_size": 32064},
       "vision_config": {"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096, "num_attention_heads": 16,
                         "num_hidden_layers": 24, "patch_size": 14, "model_type": "clip_vision_model"}}
      """)
    #expect(llava.text.hiddenSize == 4096 && llava.text.intermediateSize == 11_008 && llava.text.numHiddenLayers == 32)
    #expect(llava.text.numAttentionHeads == 32 && llava.text.numKeyValueHeads == 32 && llava.text.headDim == 128)
    #expect(llava.text.vocabularySize == 32_064 && llava.text.rmsNormEps == 1e-6)
    #expect(llava.visionLayers == 23 && llava.vision.layerNormEps == 1e-5 && llava.hasProjectorBias)
    // Without a vision_config it is the published tower; with one, the tower's class decides.
    let next = try read(
      #"{"model_type": "llava_next", "text_config": {"model_type": "mistral", "sliding_window": null}}"#)
    #expect(next.text.intermediateSize == 14_336 && next.text.numKeyValueHeads == 8 && next.text.windows[0] == nil)
    #expect(next.vision.hiddenSize == 1024 && next.vision.imageSize == 336 && next.visionLayers == 23)
    #expect(next.pinpoints.count == 5 && next.imageTokenId == 32_000)
    let onevision = try read(#"{"model_type": "llava_onevision", "vision_config": {"image_size": 384}}"#)
    #expect(onevision.vision.hiddenSize == 768 && onevision.vision.patchSize == 16 && onevision.visionLayers == 12)
    #expect(onevision.text.numKeyValueHeads == 32 && onevision.text.vocabularySize == 151_936)
    #expect(onevision.pinpoints.count == 36 && onevision.mostTiles == 9 && onevision.imageTokenId == 151_646)
  }

  @Test("Mistral's window is 4096 where the file says nothing, none where it says null")
  func window() throws {
    let mistral = #"{"model_type": "llava", "text_config": {"model_type": "mistral", "num_hidden_layers": 2"#
    #expect(try read(mistral + "}}").text.windows == [4096, 4096])
    #expect(try read(mistral + #", "sliding_window": 77}}"#).text.windows == [77, 77])
    #expect(try read(mistral + #", "sliding_window": null}}"#).text.windows == [nil, nil])
  }

  @Test(
    "the layer whose output is taken counts from the tower's end or beginning",
    arguments: [("-1", 4), ("-2", 3), ("4", 4), ("1", 1), ("[-2]", 3)])
  func layer(value: String, layers: Int) throws {
    try ModelFolder.with(copyOf: "llava_next") { copy in
      try copy.edit("config.json", "vision_feature_layer", value)
      #expect(try LlavaConfiguration.of(copy.url).visionLayers == layers)
    }
  }

  @Test(
    "what can't be computed is refused, naming the key",
    arguments: [
      ("text_config.model_type", #""gemma""#, "text_config.model_type"),
      ("text_config.hidden_act", #""gelu""#, "text_config.hidden_act"),
      ("text_config.rope_scaling", #"{"rope_type": "llama3", "factor": 8}"#, "text_config.rope_scaling"),
      ("vision_config.model_type", #""pixtral""#, "vision_config.model_type"),
      ("vision_config.hidden_act", #""gelu""#, "vision_config.hidden_act"),
      ("vision_feature_layer", "[-2, -5]", "vision_feature_layer"),
      ("vision_feature_layer", "-5", "vision_feature_layer"),
      ("vision_feature_layer", "0", "vision_feature_layer"), ("vision_feature_layer", "9", "vision_feature_layer"),
      ("vision_feature_select_strategy", #""full""#, "vision_feature_select_strategy"),
      ("mm_vision_tower", #""openai/clip-vit-large-patch14-336""#, "mm_vision_tower"),
      ("projector_hidden_act", #""relu""#, "projector_hidden_act"),
      ("image_token_index", "100000", "image_token_index"),
      ("image_grid_pinpoints", "[[56, 112, 3]]", "image_grid_pinpoints"),
      ("image_grid_pinpoints", "[[56, 111]]", "image_grid_pinpoints"),
      ("image_grid_pinpoints", "[]", "image_grid_pinpoints"),
      ("image_grid_pinpoints", "7", "image_grid_pinpoints"),
      ("quantization_config", #"{"quant_method": "bitsandbytes"}"#, "quantization_config"),
    ] as [(String, String?, String)])
  func refused(key: String, value: String?, named: String) throws {
    try ModelFolder.with(copyOf: "llava_next") { copy in
      try copy.edit("config.json", key, value)
      let error = try #require(throws: ConfigurationError.self) { try LlavaConfiguration.of(copy.url) }
      #expect(error.key.hasPrefix(named), "\(error)")
    }
  }

  @Test(
    "only anyres_max_N says how large a raster may be", arguments: ["anyres", "anyres_max_", "anyres_max_0", "pad"])
  func aspectRatio(value: String) throws {
    try ModelFolder.with(copyOf: "llava_onevision") { copy in
      try copy.edit("config.json", "vision_aspect_ratio", "\"\(value)\"")
      let error = try #require(throws: ConfigurationError.self) { try LlavaConfiguration.of(copy.url) }
      #expect(error.key == "vision_aspect_ratio" && error.reason.contains(value), "\(error)")
    }
  }

  @Test("files of the folder that disagree are refused, naming file and key")
  func disagreements() throws {
    for (folder, file, key, value, words) in [
      ("llava", "processor_config.json", "patch_size", "16", "`patch_size` is 16; config.json's vision_config says 14"),
      ("llava", "processor_config.json", "vision_feature_select_strategy", #""full""#, "is \"full\"; config.json says"),
      ("llava_onevision", "processor_config.json", "num_image_tokens", "17", "`num_image_tokens` is 17"),
      ("llava_onevision", "processor_config.json", "vision_aspect_ratio", #""anyres_max_9""#, "says \"anyres_max_3\""),
      ("llava_next", "preprocessor_config.json", "image_grid_pinpoints", "[[56, 112]]", "are not those of config.json"),
      ("llava", "config.json", "image_token_index", "7", "`image_token_index` is 7"),
      ("llava", "tokenizer_config.json", "eos_token", "null", "`eos_token` is missing"),
    ] {
      try ModelFolder.with(copyOf: folder) { copy in
        try copy.edit(file, key, value)
        let found = failure { try load(copy.url) }
        #expect(found?.contains(words) == true && found?.contains(file) == true, "\(found ?? "no error")")
      }
    }
  }

  // MARK: Odd folders

  @Test(
    "a processor's file without patch_size and strategy, as trainers leave it, changes nothing",
    arguments: LlavaSample.folders)
  func trainersProcessor(folder: String) throws {
    try ModelFolder.with(copyOf: folder) { copy in
      for key in ["patch_size", "vision_feature_select_strategy", "num_image_tokens", "num_additional_image_tokens"] {
        try copy.edit("processor_config.json", key, nil)
      }
      try same(copy.url, as: folder)
    }
  }

  @Test(
    "the image processor's file inside processor_config.json, as transformers 5 writes it",
    arguments: LlavaSample.folders)
  func nestedProcessor(folder: String) throws {
    try ModelFolder.with(copyOf: folder) { copy in
      let inner = try String(contentsOf: copy.file("preprocessor_config.json"), encoding: .utf8)
      try copy.edit("processor_config.json", "image_processor", inner)
      // What transformers 5 adds.
      try copy.edit("processor_config.json", "image_processor.data_format", #""channels_first""#)
      try FileManager.default.removeItem(at: copy.file("preprocessor_config.json"))
      try same(copy.url, as: folder)
    }
  }

  @Test("today's keys and tensor names mean what the older ones do", arguments: ["llava_onevision", "llava_next"])
  func newNames(folder: String) throws {
    try ModelFolder.with(copyOf: folder) { copy in
      let id = try LlavaConfiguration.of(copy.url).imageTokenId
      try copy.edit("config.json", "image_token_index", nil)
      try copy.edit("config.json", "image_token_id", "\(id)")
      let renamings = [
        ("language_model.lm_head.", "lm_head."), ("language_model.model.", "model.language_model."),
        ("vision_tower.vision_model.", "model.vision_tower."),
        ("multi_modal_projector.", "model.multi_modal_projector."),
        ("image_newline", "model.image_newline"),
      ]
      try copy.write(
        copy.tensors().map { tensor in
          let (old, new) = try #require(renamings.first { tensor.name.hasPrefix($0.0) })
          return tensor.named(new + tensor.name.dropFirst(old.count))
        })
      try same(copy.url, as: folder)
    }
  }

  @Test("saved tables of positions, and layers of the tower that are not run, may be there or not")
  func leftOver() throws {
    try ModelFolder.with(copyOf: "llava_next") { copy in
      var tensors = try copy.tensors()
      let tower = "vision_tower.vision_model."
      #expect(tensors.contains { $0.name.hasPrefix(tower + "encoder.layers.3.") })
      #expect(tensors.contains { $0.name.hasPrefix(tower + "post_layernorm.") })
      tensors.removeAll {
        $0.name.hasPrefix(tower + "encoder.layers.3.") || $0.name.hasPrefix(tower + "post_layernorm.")
      }
      tensors.append(
        TensorData(
          name: tower + "embeddings.position_ids", dtype: .i64, shape: [1, 17], bytes: [UInt8](repeating: 0, count: 136)
        ))
      try copy.write(tensors)
      try same(copy.url, as: "llava_next")
      // One that has no place in the model is named.
      tensors.append(TensorData(name: tower + "encoder.layers.9.mlp.fc1.bias", shape: [1], values: [0]))
      try copy.write(tensors)
      #expect(failure { try load(copy.url) }?.contains("layers.9.mlp.fc1.bias: is unexpected") == true)
    }
  }

  @Test("a projector without biases has none")
  func projectorWithoutBias() throws {
    try ModelFolder.with(copyOf: "llava_onevision") { copy in
      try copy.edit("config.json", "multimodal_projector_bias", "false")
      #expect(failure { try load(copy.url) }?.contains("linear_1.bias: is unexpected") == true)
      try copy.write(copy.tensors().filter { !($0.name.contains("projector") && $0.name.hasSuffix("bias")) })
      let model = try load(copy.url)
      #expect(model.projector.inner.bias == nil && model.projector.outer?.bias == nil)
    }
  }

  /// Loads, and has the features and tokens of the golden folder.
  private func same(_ url: URL, as folder: String) throws {
    let sample = try #require(try LlavaSample.all().first { $0.folder == folder })
    let (model, known) = (try load(url), try sample.model())
    let image = try sample.image()
    #expect(
      try model.backend.read(model.encode(image, taps: Taps()).values)
        == known.backend.read(known.encode(image, taps: Taps()).values))
    #expect(try sample.sequence(model) == sample.sequence(known))
    #expect(model.outputHead.weight.weight.floats() == known.outputHead.weight.weight.floats())
  }

  private func load(_ url: URL) throws -> LlavaModel {
    let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 2))
    return try #require(
      try ModelRegistry.load(folder: url, input: InputOptions(resizing: .pillow), backend: backend) as? LlavaModel)
  }

  private func read(_ json: String) throws -> LlavaConfiguration {
    try ModelFolder.with(copyOf: "llava") { copy in
      try copy.write(json, to: "config.json")
      return try LlavaConfiguration.of(copy.url)
    }
  }
}

import Foundation
import Kernels
import Safetensors
import TestSupport
import Testing

@testable import VisionLanguage

@Suite("InternVL's config.json")
struct InternVLConfigurationTests {
  @Test("what the published files say is read")
  func published() throws {
    let three = try configuration(of: "internvl")
    #expect(three.text.numAttentionHeads == 3 && three.text.numKeyValueHeads == 1 && three.text.headDim == 16)
    #expect(three.text.hasQueryKeyValueBias && !three.text.hasQueryKeyNorm)
    // The file says nothing: the class's default counts.
    #expect(three.text.tieWordEmbeddings && three.ropeTheta == 1_000_000 && three.limit?.tokens == 32_768)
    #expect(three.downsampling == 2 && three.tokensASide == 4 && three.vision.patchesASide == 8)
    let later = try configuration(of: "internvl3_5")
    // Not the width's share, which is 8.
    #expect(later.text.headDim == 16 && later.text.hiddenSize == 32 && later.text.hasQueryKeyNorm)
    #expect(!later.text.hasQueryKeyValueBias && later.limit == nil)
  }

  @Test("what a file leaves out is the default of transformers' classes")
  func sparse() throws {
    try ModelFolder.with(copyOf: "internvl") { copy in
      for key in [
        "text_config.model_type", "text_config.rms_norm_eps", "text_config.max_position_embeddings", "downsample_ratio",
        "projector_hidden_act", "vision_feature_layer", "vision_feature_select_strategy",
      ] {
        try copy.edit("config.json", key, nil)
      }
      try copy.edit("config.json", "vision_config", "{}")
      let read = try InternVLConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      #expect(read.text.hasQueryKeyValueBias && read.text.rmsNormEps == 1e-6 && read.limit?.tokens == 32_768)
      #expect(read.downsampling == 2 && read.tokensASide == 16)
      let vision = read.vision
      #expect(vision.hiddenSize == 1024 && vision.intermediateSize == 4096 && vision.numHiddenLayers == 24)
      #expect(vision.numAttentionHeads == 16 && vision.layerNormEps == 1e-6)
      #expect(vision.imageSize == 448 && vision.patchSize == 14 && !read.hasTowerBias)
    }
  }

  @Test("sizes may be numbers or lists, and the text model a Llama")
  func forms() throws {
    try ModelFolder.with(copyOf: "internvl") { copy in
      try copy.edit("config.json", "vision_config.image_size", "448")
      try copy.edit("config.json", "vision_config.patch_size", "14")
      try copy.edit("config.json", "text_config.model_type", #""llama""#)
      let read = try InternVLConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      #expect(read.vision.imageSize == 448 && read.tokensASide == 16 && !read.text.hasQueryKeyValueBias)
    }
  }

  @Test(
    "what can't be computed is refused, naming the key and what is known",
    arguments: [
      ("text_config", nil, "`text_config` is missing"), ("vision_config", nil, "`vision_config` is missing"),
      (
        "text_config.model_type", #""gemma3_text""#, #"`text_config.model_type` is "gemma3_text"; InternVL has "qwen2""#
      ),
      ("text_config.hidden_act", #""gelu""#, "`text_config.hidden_act`"),
      ("text_config.rope_scaling", #"{"rope_type": "yarn", "factor": 8}"#, "`text_config.rope_scaling.type`"),
      ("text_config.rope_scaling", #"{"rope_type": "dynamic"}"#, "`text_config.rope_scaling.factor` is missing"),
      ("text_config.use_sliding_window", "true", "`text_config.use_sliding_window`"),
      ("vision_config.model_type", #""clip_vision_model""#, "`vision_config.model_type`"),
      ("vision_config.hidden_act", #""gelu_pytorch_tanh""#, "`vision_config.hidden_act`"),
      (
        "vision_config.norm_type", #""rms_norm""#,
        #"`vision_config.norm_type` is "rms_norm"; InternVL has "layer_norm""#
      ),
      ("vision_config.use_qk_norm", "true", "`vision_config.use_qk_norm` is true; it must be false"),
      ("vision_config.use_mean_pooling", "false", "`vision_config.use_mean_pooling` is false; it must be true"),
      ("vision_config.use_absolute_position_embeddings", "false", "`vision_config.use_absolute_position_embeddings`"),
      ("vision_config.use_mask_token", "true", "`vision_config.use_mask_token`"),
      ("vision_config.image_size", "[56, 112]", "`vision_config.image_size` is [56, 112]"),
      ("vision_config.patch_size", "[7, 14]", "`vision_config.patch_size` is [7, 14]"),
      ("vision_config.patch_size", "[]", "`vision_config.patch_size` is []"),
      ("vision_config.num_attention_heads", "5", "`vision_config.hidden_size`"),
      ("downsample_ratio", "0.3", "`downsample_ratio` is 0.3"), ("downsample_ratio", "0.0625", "`downsample_ratio`"),
      ("projector_hidden_act", #""relu""#, "`projector_hidden_act`"),
      ("vision_feature_layer", "-2", "`vision_feature_layer` is -2"),
      ("vision_feature_select_strategy", #""full""#, "`vision_feature_select_strategy`"),
      ("image_token_id", "100000", "`image_token_id`"),
      ("quantization_config", #"{"quant_method": "x"}"#, "`quantization_config`"),
    ] as [(String, String?, String)])
  func refused(key: String, value: String?, words: String) throws {
    try ModelFolder.with(copyOf: "internvl") { copy in
      try copy.edit("config.json", key, value)
      let error = try #require(throws: ConfigurationError.self) {
        try InternVLConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      }
      #expect("\(error)".contains(words), "\(error)")
    }
  }

  @Test("files of the folder that disagree are refused, naming file and key")
  func disagreements() throws {
    for (file, key, value, words) in [
      ("processor_config.json", "image_seq_length", "256", "`image_seq_length` is 256; the model has 16"),
      ("preprocessor_config.json", "size", #"{"height": 112, "width": 112}"#, "`size` is 112 x 112"),
      ("config.json", "image_token_id", "7", "`image_token_id` is 7"),
      (
        "tokenizer_config.json", "extra_special_tokens", #"{"start_image_token": "<ref>"}"#,
        #"`start_image_token` is "<ref>"; InternVL has "<img>""#
      ),
    ] {
      try ModelFolder.with(copyOf: "internvl") { copy in
        try copy.edit(file, key, value)
        let found = failure { try load(copy.url) }
        #expect(found?.contains(words) == true && found?.contains(file) == true, "\(found ?? "no error")")
      }
    }
  }

  @Test("a folder of the makers' own format is refused, naming the folders to take")
  func otherFormat() throws {
    try ModelFolder.with(copyOf: "internvl") { copy in
      try copy.edit("config.json", "model_type", #""internvl_chat""#)
      let found = failure { try load(copy.url) }
      #expect(found?.contains(#"`model_type` is "internvl_chat""#) == true && found?.contains("-hf") == true)
    }
  }

  @Test("the head in the file is used though config.json would tie it, and without one the embeddings are")
  func head() throws {
    let model = try load(checkpoint("internvl"))
    #expect(model.remarks.general.contains { $0.contains("lm_head.weight is used") })
    try ModelFolder.with(copyOf: "internvl") { copy in
      try copy.write(copy.tensors().filter { !$0.name.contains("lm_head") })
      #expect(try !load(copy.url).remarks.general.contains { $0.contains("lm_head") })
    }
  }

  @Test("a template may show the image as <image>, as the first published folders do")
  func oldPlaceholder() throws {
    let sample = try InternVLSample.all()[0]
    let expected = try sample.sequence(sample.model())
    try ModelFolder.with(copyOf: "internvl") { copy in
      let template = try String(contentsOf: copy.file("chat_template.jinja"), encoding: .utf8)
      try copy.write(template.replacing("<IMG_CONTEXT>", with: "<image>"), to: "chat_template.jinja")
      let model = try #require(try load(copy.url) as? InternVLModel)
      #expect(try sample.sequence(model) == expected)
    }
  }

  @Test("missing and misshapen tensors are named as the file would name them")
  func weights() throws {
    for (folder, prefix, head) in [("internvl", "", "language_model.lm_head"), ("internvl3_5", "model.", "lm_head")] {
      try ModelFolder.with(copyOf: folder) { copy in
        let gone = ["vision_tower.embeddings.cls_token", "vision_tower.encoder.layer.1.lambda_2"].map { prefix + $0 }
        let odd = prefix + "multi_modal_projector.layer_norm.weight"
        try copy.write(
          copy.tensors().filter { !gone.contains($0.name) && $0.name != odd } + [
            TensorData(name: odd, shape: [3], values: [1, 1, 1]),
            TensorData(name: head + ".bias", shape: [1], values: [1]),
          ])
        let problems = try #require(throws: WeightError.self) { try load(copy.url) }.problems
        for name in gone { #expect(problems.contains { $0.hasPrefix("\(name): is missing") }, "\(problems)") }
        #expect(problems.contains { $0.hasPrefix("\(odd): has shape [3]") }, "\(problems)")
        #expect(problems.contains { $0.hasPrefix("\(head).bias: is unexpected") }, "\(problems)")
      }
    }
  }

  @Test("a chat has no system turn, and the image's line before the prompt; answers keep their leading blanks")
  func chat() throws {
    let model = try load(checkpoint("internvl"))
    for prompt in ["Describe the main object in the image.", "", "<|im_end|> <img>12</img>", "two\nlines "] {
      let question = "<|im_start|>user\n<IMG_CONTEXT>\n\(prompt)<|im_end|>\n<|im_start|>assistant\n"
      #expect(try model.chat.question(prompt).text == question)
      for answer in ["a dog", "  a dog", "\n12"] {
        let chat = try model.chat.conversation(prompt: prompt, answer: answer)
        #expect(chat.text == question + answer + "<|im_end|>\n")
      }
    }
  }

  @Test("an image token in the prompt's text is no part of the image")
  func tokenInPrompt() throws {
    let model = try load(checkpoint("internvl"))
    let layout = try model.visualLayout(width: 56, height: 56)
    let plain = try model.question(prompt: "a", layout: layout)
    let other = try model.question(prompt: "<IMG_CONTEXT> a", layout: layout)
    #expect(other.image == plain.image && other.ids.count > plain.ids.count)
  }

  @Test("a folder without a chat template is refused, naming --chat-template")
  func noTemplate() throws {
    try ModelFolder.with(copyOf: "internvl") { copy in
      try FileManager.default.removeItem(at: copy.file("chat_template.jinja"))
      let found = failure { try load(copy.url) }
      #expect(found?.contains("--chat-template") == true, "\(found ?? "no error")")
    }
  }

  @Test("sequences longer than dynamic rotary embedding leaves alone are refused, answers to come included")
  func limit() throws {
    try ModelFolder.with(copyOf: "internvl") { copy in
      try copy.edit("config.json", "text_config.max_position_embeddings", "40")
      let model = try load(copy.url)
      let layout = try model.visualLayout(width: 56, height: 56)
      let question = try model.question(prompt: "", layout: layout)
      #expect(question.ids.count < 40)
      let room = 40 - question.ids.count
      #expect(try model.question(prompt: "", layout: layout, answerTokens: room) == question)
      for run in [
        { _ = try model.question(prompt: "", layout: layout, answerTokens: room + 1) },
        { _ = try model.sequence(prompt: "1 2 3 4 5 6 7 8 9 10", description: "a b c d e", layout: layout) },
      ] {
        let fault = try #require(throws: ChatFault.self) { try run() }
        #expect(
          "\(fault)".contains("it may have 40: ") && "\(fault)".contains("text_config.max_position_embeddings")
            && "\(fault)".contains("config.json"), "\(fault)")
      }
    }
  }

  private func load(_ folder: URL) throws -> any VisionLanguageModel {
    try ModelRegistry.load(
      folder: folder, input: InputOptions(resizing: .pillow),
      backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
  }

  private func configuration(of folder: String) throws -> InternVLConfiguration {
    try InternVLConfiguration(
      ConfigurationFile(contentsOf: checkpoint(folder).appendingPathComponent("config.json")))
  }
}

import Foundation
import Kernels
import Safetensors
import TestSupport
import Testing

@testable import VisionLanguage

@Suite("PaliGemma's config.json and texts")
struct PaliGemmaConfigurationTests {
  @Test("what the published files say is read")
  func published() throws {
    let one = try configuration(of: "paligemma")
    #expect(one.text.numAttentionHeads == 3 && one.text.numKeyValueHeads == 1 && one.text.headDim == 20)
    #expect(one.text.tieWordEmbeddings && one.ropeTheta == 10_000 && one.text.rmsNormEps == 1e-6)
    #expect(one.text.windows == [nil, nil, nil] && one.text.scoreSoftcap == nil && one.text.logitSoftcap == nil)
    #expect(one.text.scoreScale == nil && !one.text.hasOutputNorms && one.text.normWeightOffset == 1)
    #expect(one.text.embeddingFactor == Float(48).squareRoot() && one.text.activation == .tanhGELU)
    #expect(one.vision.imageSize == 70 && one.vision.patchesASide == 5)
    let two = try configuration(of: "paligemma2")
    #expect(two.text.windows == [20, nil, 20] && !two.text.windowHoldsBothWays)
    #expect(two.text.scoreSoftcap == 3 && two.text.logitSoftcap == 5 && two.text.hasOutputNorms)
    #expect(two.text.scoreScale == Float(1 / 24.0.squareRoot()))
  }

  @Test("what a file leaves out is the default of transformers' classes")
  func sparse() throws {
    try ModelFolder.with(copyOf: "paligemma2") { copy in
      for key in [
        "head_dim", "num_attention_heads", "num_key_value_heads", "attn_logit_softcapping", "final_logit_softcapping",
        "query_pre_attn_scalar", "sliding_window", "hidden_act", "hidden_activation",
      ] {
        try copy.edit("config.json", "text_config.\(key)", nil)
      }
      try copy.edit("config.json", "vision_config", #"{"model_type": "siglip_vision_model", "patch_size": 14}"#)
      let read = try PaliGemmaConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      #expect(read.text.headDim == 256 && read.text.numAttentionHeads == 8 && read.text.numKeyValueHeads == 4)
      #expect(read.text.scoreSoftcap == 50 && read.text.logitSoftcap == 30 && read.text.scoreScale == 1.0 / 16)
      #expect(read.text.windows == [4096, nil, 4096] && read.text.activation == .tanhGELU)
      #expect(read.vision.imageSize == 224 && read.vision.hiddenSize == 768 && read.vision.patchesASide == 16)
    }
    try ModelFolder.with(copyOf: "paligemma") { copy in
      // The old name of the approximation by tanh; what transformers 5 saves beside.
      try copy.edit("config.json", "text_config.hidden_act", #""gelu""#)
      try copy.edit("config.json", "text_config.use_bidirectional_attention", "true")
      try copy.edit("config.json", "text_config.head_dim", nil)
      let read = try PaliGemmaConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      #expect(read.text.activation == .tanhGELU && read.text.headDim == 256)
    }
  }

  @Test(
    "what can't be computed is refused, naming the key",
    arguments: [
      ("text_config", nil, "text_config"), ("vision_config", nil, "vision_config"),
      ("text_config.model_type", #""gemma3_text""#, "text_config.model_type"),
      ("text_config.hidden_act", #""silu""#, "text_config.hidden_act"),
      ("text_config.rope_scaling", #"{"rope_type": "linear", "factor": 8}"#, "text_config.rope_scaling"),
      (
        "text_config.rope_parameters", #"{"full_attention": {"rope_theta": 50}}"#,
        "text_config.rope_parameters.full_attention"
      ),
      ("text_config.head_dim", "15", "text_config.head_dim"),
      ("text_config.layer_types", #"["sliding_attention"]"#, "text_config.layer_types"),
      ("text_config.attn_logit_softcapping", "50", "text_config.attn_logit_softcapping"),
      ("text_config.num_key_value_heads", "2", "text_config.num_key_value_heads"),
      ("vision_config.model_type", #""clip_vision_model""#, "vision_config.model_type"),
      ("vision_config.hidden_act", #""gelu""#, "vision_config.hidden_act"), ("projection_dim", "64", "projection_dim"),
      ("vision_config.image_size", "100000", "vision_config.image_size"),
      ("image_token_index", "100000", "image_token_index"),
      ("quantization_config", #"{"quant_method": "x"}"#, "quantization_config"),
    ] as [(String, String?, String)])
  func refused(key: String, value: String?, named: String) throws {
    try ModelFolder.with(copyOf: "paligemma") { copy in
      try copy.edit("config.json", key, value)
      let error = try #require(throws: ConfigurationError.self) {
        try PaliGemmaConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      }
      #expect(error.key.hasPrefix(named), "\(error)")
    }
  }

  @Test("a window of null, which transformers takes for none, is refused where the decoder has windows")
  func nullWindow() throws {
    try ModelFolder.with(copyOf: "paligemma2") { copy in
      try copy.edit("config.json", "text_config.sliding_window", "null")
      let error = try #require(throws: ConfigurationError.self) {
        try PaliGemmaConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      }
      #expect(error.key == "text_config.sliding_window")
    }
  }

  @Test("files of the folder that disagree are refused, naming file and key")
  func disagreements() throws {
    for (file, key, value, words) in [
      ("preprocessor_config.json", "image_seq_length", "81", "`image_seq_length` is 81; the model has 25"),
      ("preprocessor_config.json", "size.height", "84", "`size.height` is 84"),
      ("config.json", "image_token_index", "7", "`image_token_index` is 7"),
    ] {
      try ModelFolder.with(copyOf: "paligemma") { copy in
        try copy.edit(file, key, value)
        let found = failure { try load(copy.url) }
        #expect(found?.contains(words) == true && found?.contains(file) == true, "\(found ?? "no error")")
      }
    }
  }

  @Test(
    "an output head of its own is used, and said where config.json ties it; the published names and today's are read")
  func head() throws {
    let tied = try load(checkpoint("paligemma"))
    #expect(tied.outputHead.weight.weight.hasEqualElements(to: tied.tokenEmbedding.weight))
    try ModelFolder.with(copyOf: "paligemma") { copy in
      var tensors = try copy.tensors()
      let table = try #require(tensors.first { $0.name == "language_model.model.embed_tokens.weight" })
      tensors.append(
        TensorData(
          name: "language_model.lm_head.weight", dtype: table.dtype, shape: table.shape, bytes: table.bytes.reversed()))
      try copy.write(tensors)
      let model = try load(copy.url)
      #expect(!model.outputHead.weight.weight.hasEqualElements(to: model.tokenEmbedding.weight))
      #expect(model.remarks.general.contains { $0.contains("lm_head") })
    }
  }

  // MARK: - Texts

  @Test(
    "texts are the processor's: image, beginning of text, prompt, line break; answer, end of text",
    arguments: try PaliGemmaSample.all())
  func texts(_ sample: PaliGemmaSample) throws {
    let chat = try sample.model().chat
    let rendered = try chat.conversation(prompt: sample.input.prompt, answer: sample.input.description)
    #expect(rendered.text == sample.input.text && rendered.cuts == [rendered.description.lowerBound])
    #expect(rendered.image == 0..<7)
    let question = try chat.question(sample.input.prompt)
    #expect(question.text == sample.input.question && question.cuts == [])
    #expect(chat.source == "PaliGemmaProcessor" && chat.beginsAsGenerated)
  }

  @Test("the spec's example, an empty prompt, tokens in the prompt, an answer with leading blanks")
  func examples() throws {
    let chat = try load(checkpoint("paligemma2")).chat
    for (prompt, answer) in [
      ("caption en", "a dog"), ("", "a"), ("<image> <bos> <eos>\n", "  two"), ("{{ x }} \t", "{% endfor %} "),
    ] {
      let rendered = try chat.conversation(prompt: prompt, answer: answer)
      #expect(rendered.text == "<image><bos>\(prompt)\n\(answer)<eos>" && rendered.image == 0..<7)
    }
  }

  @Test("the image's token in a prompt is text: only the image's own place holds the image")
  func imageInPrompt() throws {
    let model = try load(checkpoint("paligemma"))
    let layout = try model.visualLayout(width: 30, height: 20)
    let sequence = try model.sequence(prompt: "see <image> here", description: "a dog", layout: layout)
    #expect(sequence.image.ranges == [0..<25] && sequence.ids.count { $0 == sequence.ids[0] } == 26)
  }

  @Test("a folder's chat template is not used, and a remark says so; --chat-template takes one")
  func otherTemplates() throws {
    try ModelFolder.with(copyOf: "paligemma") { copy in
      let before = try ModelFiles(folder: copy.url, chatTemplate: nil).chatTemplateSHA256
      try copy.write("{{ bos_token }}<image>", to: "chat_template.jinja")
      let model = try load(copy.url)
      #expect(model.chat.source == "PaliGemmaProcessor")
      #expect(
        model.remarks.general.contains { $0.contains("chat_template.jinja holds a chat template, which is not used") })
      #expect(try ModelFiles(folder: copy.url, chatTemplate: nil).chatTemplateSHA256 == before)
      #expect(before == model.chat.sha256)

      try copy.write(
        "{% for m in messages %}{% for p in m.content %}{{ '<image>' if p.type == 'image' else p.text }}{% endfor %}|{% endfor %}",
        to: "own.jinja")
      let file = copy.file("own.jinja")
      let other = try load(copy.url, chatTemplate: file)
      let rendered = try other.chat.conversation(prompt: "why", answer: "so")
      #expect(rendered.text == "<image>why|so|" && rendered.cuts == [11] && other.chat.source == file.path)
      #expect(try ModelFiles(folder: copy.url, chatTemplate: file).chatTemplateSHA256 == other.chat.sha256)
      // All before the answer sees itself both ways, whatever the template.
      let layout = try other.visualLayout(width: 30, height: 20)
      let sequence = try other.sequence(prompt: "why", description: "so", layout: layout)
      #expect(other.bidirectionalBlocks(sequence) == [0..<sequence.caption[0]])
    }
  }

  @Test(
    "the experiments' template for the mix models asks a question by \"answer en\", and leaves \"caption en\" as it is")
  func mixTemplate() throws {
    let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let file = repository.appendingPathComponent("experiments/paligemma-mix.jinja")
    let chat = try load(checkpoint("paligemma"), chatTemplate: file).chat
    for (prompt, shown) in [
      ("caption en", "caption en"), ("where is it?", "answer en where is it?"), ("<image>", "answer en <image>"),
    ] {
      let rendered = try chat.conversation(prompt: prompt, answer: "a dog")
      #expect(rendered.text == "<image><bos>\(shown)\na dog<eos>" && rendered.image == 0..<7)
      #expect(rendered.cuts == [rendered.description.lowerBound])
      #expect(try chat.question(prompt).text == "<image><bos>\(shown)\n")
    }
  }

  private func load(_ folder: URL, chatTemplate: URL? = nil) throws -> any VisionLanguageModel {
    try ModelRegistry.load(
      folder: folder, input: InputOptions(chatTemplate: chatTemplate),
      backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
  }

  private func configuration(of folder: String) throws -> PaliGemmaConfiguration {
    try PaliGemmaConfiguration(ConfigurationFile(contentsOf: checkpoint(folder).appendingPathComponent("config.json")))
  }
}

import Foundation
import ImageInput
import Kernels
import TestSupport
import Testing

@testable import VisionLanguage

@Suite("Qwen3-VL's files")
struct Qwen3VLConfigurationTests {
  private func load(_ folder: URL) throws -> any VisionLanguageModel {
    try ModelRegistry.load(
      folder: folder, input: InputOptions(resizing: .pillow),
      backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
  }

  @Test("what the published files say is read, and what transformers 5 writes")
  func published() throws {
    let published = try Qwen3VLSample.all()[0].configuration()
    #expect(published.text.headDim == 16 && published.text.hiddenSize == 40 && published.text.hasQueryKeyNorm)
    #expect(!published.text.hasQueryKeyValueBias && published.text.tieWordEmbeddings)
    #expect(published.ropeTheta == 5_000_000 && published.mropeSection == [4, 2, 2])
    #expect(published.vision.deepstackVisualIndexes == [0, 2, 3] && published.vision.positionSide == 6)
    let saved = try Qwen3VLSample(folder: "qwen3_vl_saved", input: Qwen3VLSample.all()[0].input).configuration()
    #expect(saved.ropeTheta == 5_000_000 && saved.mropeSection == [4, 3, 3] && !saved.text.tieWordEmbeddings)
  }

  @Test("what a file leaves out is the default of transformers' classes")
  func sparse() throws {
    try ModelFolder.with(copyOf: "qwen3_vl") { copy in
      try copy.edit(
        "config.json", "text_config",
        #"{"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 32, "vocab_size": 200000, "#
          + #""tie_word_embeddings": true}"#)
      try copy.edit("config.json", "vision_config", #"{"out_hidden_size": 64}"#)
      for key in ["image_token_id", "tie_word_embeddings"] { try copy.edit("config.json", key, nil) }
      let read = try Qwen3VLConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      #expect(read.text.headDim == 128 && read.text.numKeyValueHeads == 32 && read.text.rmsNormEps == 1e-6)
      // Only the flag at the top counts.
      #expect(!read.text.tieWordEmbeddings)
      #expect(read.ropeTheta == 500_000 && read.mropeSection == [24, 20, 20] && read.imageTokenId == 151_655)
      let vision = read.vision
      #expect(vision.depth == 27 && vision.hiddenSize == 1152 && vision.intermediateSize == 4304)
      #expect(vision.numHeads == 16 && vision.patchSize == 16 && vision.positionSide == 48)
      #expect(vision.deepstackVisualIndexes == [8, 16, 24] && vision.patchWidth == 1536 && vision.mergedWidth == 4608)
    }
  }

  @Test(
    "what can't be computed is refused, naming the key",
    arguments: [
      ("text_config", nil, "text_config"), ("vision_config", nil, "vision_config"),
      ("text_config.model_type", #""qwen3_vl_moe_text""#, "text_config.model_type"),
      ("text_config.hidden_act", #""gelu""#, "text_config.hidden_act"),
      ("text_config.head_dim", "15", "text_config.head_dim"),
      ("text_config.head_dim", "32", "text_config.rope_scaling.mrope_section"),
      (
        "text_config.rope_scaling", #"{"rope_type": "yarn", "factor": 2, "mrope_section": [4, 2, 2]}"#,
        "text_config.rope_scaling"
      ),
      ("text_config.rope_scaling.mrope_section", "[4, 4]", "text_config.rope_scaling.mrope_section"),
      ("text_config.rope_scaling.mrope_interleaved", "false", "text_config.rope_scaling.mrope_interleaved"),
      ("text_config.rope_scaling", "null", "text_config.mrope_section"),
      ("vision_config.model_type", #""qwen2_5_vl""#, "vision_config.model_type"),
      ("vision_config.hidden_act", #""quick_gelu""#, "vision_config.hidden_act"),
      ("vision_config.rope_theta", "5", "vision_config.rope_theta"),
      ("vision_config.num_heads", "5", "vision_config.hidden_size"),
      ("vision_config.head_dim", "4", "vision_config.head_dim"),
      ("vision_config.in_channels", "1", "vision_config.in_channels"),
      ("vision_config.patch_size", "[16, 16]", "vision_config.patch_size"),
      ("vision_config.out_hidden_size", "3584", "vision_config.out_hidden_size"),
      ("vision_config.num_position_embeddings", "35", "vision_config.num_position_embeddings"),
      ("vision_config.deepstack_visual_indexes", "[2, 0, 3]", "vision_config.deepstack_visual_indexes"),
      ("vision_config.deepstack_visual_indexes", "[0, 4]", "vision_config.deepstack_visual_indexes"),
      ("vision_config.deepstack_visual_indexes", "[0, -1]", "vision_config.deepstack_visual_indexes"),
      ("text_config.num_hidden_layers", "2", "vision_config.deepstack_visual_indexes"),
      ("image_token_id", "100000", "image_token_id"),
      ("quantization_config", #"{"quant_method": "x"}"#, "quantization_config"),
    ] as [(String, String?, String)])
  func refused(key: String, value: String?, named: String) throws {
    try ModelFolder.with(copyOf: "qwen3_vl") { copy in
      try copy.edit("config.json", key, value)
      let error = try #require(throws: ConfigurationError.self) {
        try Qwen3VLConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      }
      #expect(error.key.hasPrefix(named), "\(error)")
    }
  }

  @Test("a mixture of experts is refused, saying which models are not")
  func experts() throws {
    try ModelFolder.with(copyOf: "qwen3_vl") { copy in
      try copy.edit("config.json", "model_type", #""qwen3_vl_moe""#)
      let error = try #require(throws: ConfigurationError.self) { try load(copy.url) }
      #expect(error.key == "model_type" && error.reason.contains("qwen3_vl_moe"))
      #expect(error.reason.contains("mixtures of experts") && error.reason.contains("2B, 4B"))
    }
  }

  @Test("files of the folder that disagree are refused, naming file and key")
  func disagreements() throws {
    for (file, key, value, words) in [
      // Qwen2VLImageProcessor's own default is 14.
      ("preprocessor_config.json", "patch_size", nil, "`patch_size` (or merge_size or temporal_patch_size) differs"),
      ("preprocessor_config.json", "merge_size", "4", "`patch_size` (or merge_size or temporal_patch_size) differs"),
      ("config.json", "image_token_id", "7", "`image_token_id` is 7"),
      ("config.json", "vision_config.deepstack_visual_indexes", "[0, 1]", "deepstack_merger_list.2"),
    ] as [(String, String, String?, String)] {
      try ModelFolder.with(copyOf: "qwen3_vl") { copy in
        try copy.edit(file, key, value)
        let found = failure { try load(copy.url) }
        #expect(found?.contains(words) == true, "\(found ?? "no error")")
      }
    }
  }

  @Test("without DeepStack nothing is added behind layers")
  func noAdditions() throws {
    try ModelFolder.with(copyOf: "qwen3_vl") { copy in
      try copy.edit("config.json", "vision_config.deepstack_visual_indexes", "[]")
      try copy.write(copy.tensors().filter { !$0.name.contains("deepstack") })
      let model = try load(copy.url)
      #expect(model.streamAdditionLayers.isEmpty)
      let image = RGBImage(width: 64, height: 64, pixels: [UInt8](repeating: 99, count: 3 * 64 * 64))
      #expect(try model.encode(image, taps: .init()).additions.isEmpty)
    }
  }

  @Test("tensors under the names of older families' files are read too")
  func olderNames() throws {
    try ModelFolder.with(copyOf: "qwen3_vl") { copy in
      let tensors = try copy.tensors().map { tensor in
        tensor.named(
          tensor.name.replacingOccurrences(of: "model.language_model.", with: "model.")
            .replacingOccurrences(of: "model.visual.", with: "visual."))
      }
      #expect(tensors.contains { $0.name.hasPrefix("visual.pos_embed") })
      try copy.write(tensors)
      #expect(try load(copy.url).decoder.layers.count == 4)
    }
  }

  @Test("sizes are those of transformers, `size` holding areas")
  func sizes() throws {
    let data = try Data(contentsOf: Goldens.root().appendingPathComponent("qwen3_vl/sizes.json"))
    let rows = try JSONDecoder().decode([[Int]].self, from: data)
    #expect(rows.count >= 80)
    for row in rows {
      try ModelFolder.with(copyOf: "qwen3_vl") { copy in
        try copy.edit(
          "preprocessor_config.json", "size", #"{"shortest_edge": \#(row[2]), "longest_edge": \#(row[3])}"#)
        let processor = try ProcessorInFolder(copy.url) { try Qwen2VLImageProcessor($0, resizing: .pillow) }.processor
        let size = try processor.resizedSize(width: row[0], height: row[1])
        #expect([size.width, size.height] == Array(row[4...5]), "\(row)")
      }
    }
  }

  @Test("a photograph of 640 × 480 has 300 visual tokens, one of 427 × 640 has 260")
  func photographs() throws {
    try ModelFolder.with(copyOf: "qwen3_vl") { copy in
      try copy.edit("preprocessor_config.json", "size", #"{"shortest_edge": 65536, "longest_edge": 16777216}"#)
      let processor = try ProcessorInFolder(copy.url) { try Qwen2VLImageProcessor($0, resizing: .pillow) }.processor
      #expect(processor.leastSide == 64)
      #expect(try processor.layout(width: 640, height: 480).visualTokens == 300)
      #expect(try processor.layout(width: 427, height: 640).visualTokens == 260)
    }
  }

  @Test("chats read as transformers renders the published template: no system turn")
  func chat() throws {
    struct Conversation: Decodable {
      let prompt: String
      let description: String
      let text: String
      let question: String
    }
    let data = try Data(contentsOf: Goldens.root().appendingPathComponent("qwen3_vl/chat.json"))
    let chat = try ChatPrompt(
      ChatTemplateSource.find(
        in: checkpoint("qwen3_vl"),
        override: Repository.root.appendingPathComponent("tools/goldens/chat-templates/templates/qwen3_vl.jinja")),
      specialTokens: [], placeholder: Qwen2VLImageProcessor.placeholder)
    let conversations = try JSONDecoder().decode([Conversation].self, from: data)
    #expect(conversations.count >= 6)
    for conversation in conversations {
      let rendered = try chat.conversation(prompt: conversation.prompt, answer: conversation.description)
      #expect(Array(rendered.text.unicodeScalars) == Array(conversation.text.unicodeScalars))
      let question = try chat.question(conversation.prompt).text
      #expect(Array(question.unicodeScalars) == Array(conversation.question.unicodeScalars))
    }
    #expect(
      try chat.conversation(prompt: "P", answer: "A").text
        == "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>P<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
    )
  }
}

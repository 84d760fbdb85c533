import Foundation
import Kernels
import TestSupport
import Testing

@testable import VisionLanguage

@Suite("SmolVLM's and Idefics3's config.json")
struct SmolVLMConfigurationTests {
  @Test("what the published files say is read")
  func published() throws {
    let smol = try configuration(of: "smolvlm")
    #expect(smol.text.numAttentionHeads == 3 && smol.text.numKeyValueHeads == 1 && smol.text.headDim == 16)
    #expect(smol.text.rmsNormEps == 1e-5 && smol.ropeTheta == 100_000 && !smol.text.tieWordEmbeddings)
    #expect(smol.scaleFactor == 3 && smol.tokensASide == 2 && smol.vision.patchesASide == 6)
    let idefics = try configuration(of: "idefics3")
    // Not the width's share, which is 24.
    #expect(idefics.text.headDim == 16 && idefics.text.hiddenSize == 48 && idefics.ropeTheta == 273_768)
  }

  @Test("what a file leaves out is the default of transformers' classes")
  func sparse() throws {
    try ModelFolder.with(copyOf: "smolvlm") { copy in
      for key in ["text_config.rms_norm_eps", "text_config.rope_theta", "text_config.head_dim", "scale_factor"] {
        try copy.edit("config.json", key, nil)
      }
      try copy.edit("config.json", "vision_config", #"{"image_size": 512, "patch_size": 16}"#)
      let read = try SmolVLMConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      #expect(read.text.rmsNormEps == 1e-6 && read.ropeTheta == 10_000 && read.text.headDim == 16)
      #expect(read.scaleFactor == 2 && read.tokensASide == 16)
      #expect(read.vision.hiddenSize == 1152 && read.vision.intermediateSize == 3072)
      #expect(
        read.vision.numHiddenLayers == 12 && read.vision.numAttentionHeads == 16 && read.vision.layerNormEps == 1e-6)
    }
  }

  @Test(
    "what can't be computed is refused, naming the key",
    arguments: [
      ("text_config", nil, "text_config"), ("vision_config", nil, "vision_config"),
      ("text_config.model_type", #""mistral""#, "text_config.model_type"),
      ("text_config.hidden_act", #""gelu""#, "text_config.hidden_act"),
      ("text_config.rope_scaling", #"{"rope_type": "llama3", "factor": 8}"#, "text_config.rope_scaling"),
      ("vision_config.model_type", #""clip_vision_model""#, "vision_config.model_type"),
      ("vision_config.hidden_act", #""gelu""#, "vision_config.hidden_act"),
      ("vision_config.num_attention_heads", "5", "vision_config.hidden_size"), ("scale_factor", "4", "scale_factor"),
      ("image_token_id", "100000", "image_token_id"),
      ("quantization_config", #"{"quant_method": "x"}"#, "quantization_config"),
    ] as [(String, String?, String)])
  func refused(key: String, value: String?, named: String) throws {
    try ModelFolder.with(copyOf: "smolvlm") { copy in
      try copy.edit("config.json", key, value)
      let error = try #require(throws: ConfigurationError.self) {
        try SmolVLMConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      }
      #expect(error.key.hasPrefix(named), "\(error)")
    }
  }

  @Test("as many patches as transformers rounds to other positions are refused, published numbers are not")
  func positions() throws {
    // torch.bucketize(arange(n) * (1 / n), arange(1 / n, 1, 1 / n), right=True), in float32 as torch 2.13 has it.
    for patches in [19, 25, 29, 31, 38, 40, 41, 43, 47, 49, 50, 54, 100, 127] {
      #expect(!SmolVLMConfiguration.positionsAreWhole(patches), "\(patches)")
    }
    for patches in Array(1...18) + [20, 24, 26, 27, 28, 32, 35, 64, 128] {
      #expect(SmolVLMConfiguration.positionsAreWhole(patches), "\(patches)")
    }
    try ModelFolder.with(copyOf: "smolvlm") { copy in
      try copy.edit("config.json", "vision_config", #"{"image_size": 350, "patch_size": 14}"#)
      try copy.edit("config.json", "scale_factor", "5")
      let error = try #require(throws: ConfigurationError.self) {
        try SmolVLMConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      }
      #expect(error.key == "vision_config.image_size" && error.reason.contains("25 patches along a side"), "\(error)")
    }
  }

  @Test("files of the folder that disagree are refused, naming file and key")
  func disagreements() throws {
    for (file, key, value, words) in [
      ("processor_config.json", "image_seq_len", "81", "`image_seq_len` is 81; the model has 4"),
      ("preprocessor_config.json", "max_image_size", #"{"longest_edge": 120}"#, "`max_image_size.longest_edge` is 120"),
      ("config.json", "image_token_id", "7", "`image_token_id` is 7"),
    ] {
      try ModelFolder.with(copyOf: "smolvlm") { copy in
        try copy.edit(file, key, value)
        let found = failure {
          try ModelRegistry.load(
            folder: copy.url, backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
        }
        #expect(found?.contains(words) == true && found?.contains(file) == true, "\(found ?? "no error")")
      }
    }
  }

  private func configuration(of folder: String) throws -> SmolVLMConfiguration {
    try SmolVLMConfiguration(ConfigurationFile(contentsOf: checkpoint(folder).appendingPathComponent("config.json")))
  }
}

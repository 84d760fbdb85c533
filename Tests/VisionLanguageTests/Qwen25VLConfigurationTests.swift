import Foundation
import Kernels
import TestSupport
import Testing

@testable import VisionLanguage

@Suite("Qwen2.5-VL's config.json")
struct Qwen25VLConfigurationTests {
  @Test("what the published files and those of transformers 5 say is read")
  func published() throws {
    let flat = try configuration(of: "qwen2_5_vl")
    #expect(flat.tower.depth == 3 && flat.tower.width == 24 && flat.tower.headDim == 12)
    #expect(flat.tower.intermediateSize == 72 && flat.tower.patchWidth == 1176 && flat.tower.mergedWidth == 96)
    #expect(flat.tower.isGated && flat.tower.norm == .rms)
    #expect(flat.tower.windows == AttentionWindows(side: 4, fullLayers: [1]))
    #expect(flat.decoder.text.tieWordEmbeddings && flat.decoder.mropeSection == [1, 2, 3])
    let nested = try configuration(of: "qwen2_5_vl_nested")
    #expect(nested.tower.windows == AttentionWindows(side: 3, fullLayers: [0, 2]))
    #expect(!nested.decoder.text.tieWordEmbeddings && nested.decoder.ropeTheta == 1_000_000)
    #expect(try configuration(of: "qwen2_5_vl_odd").tower.windows == AttentionWindows(side: 1, fullLayers: [1, 7]))
  }

  @Test("what a file leaves out is the default of transformers' classes, which the published sizes fit")
  func sparse() throws {
    try ModelFolder.with(copyOf: "qwen2_5_vl_nested") { copy in
      try copy.write(
        #"""
        {"model_type": "qwen2_5_vl", "vision_config": {"hidden_size": 1280},
         "text_config": {"hidden_size": 3584, "num_attention_heads": 28, "num_key_value_heads": 4}}
        """#, to: "config.json")
      let read = try Qwen25VLConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      #expect(read.tower.depth == 32 && read.tower.heads == 16 && read.tower.intermediateSize == 3420)
      #expect(read.tower.patchSize == 14 && read.tower.temporalPatchSize == 2 && read.tower.spatialMergeSize == 2)
      #expect(read.tower.windows == AttentionWindows(side: 4, fullLayers: [7, 15, 23, 31]))
      #expect(read.decoder.text.rmsNormEps == 1e-5 && read.decoder.ropeTheta == 1_000_000)
      #expect(read.decoder.mropeSection == [16, 24, 24] && read.decoder.imageTokenId == 151_655)
      #expect(!read.decoder.text.tieWordEmbeddings)
      #expect(read.decoder.text.intermediateSize == 29_568 && read.decoder.text.numHiddenLayers == 80)
      #expect(read.decoder.text.vocabularySize == 152_064 && read.decoder.text.numKeyValueHeads == 4)
      for (given, heads) in [("null", 28), (nil, 8)] as [(String?, Int)] {
        try copy.edit("config.json", "text_config.num_key_value_heads", given)
        try copy.edit("config.json", "text_config.num_attention_heads", given == nil ? "64" : "28")
        try copy.edit("config.json", "text_config.hidden_size", given == nil ? nil : "3584")
        try copy.edit("config.json", "vision_config.out_hidden_size", given == nil ? "8192" : "3584")
        let read = try Qwen25VLConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
        #expect(read.decoder.text.numKeyValueHeads == heads)
      }
      // Most layers of the tower show a patch its 64 neighbours only.
      #expect(read.tower.cost.windowedLayers == 28 && read.tower.cost.windowPatches == 64)
      #expect(read.tower.cost.seen(ofView: 1564) == 4 * 1564 + 28 * 64)
    }
  }

  @Test(
    "what can't be computed is refused, naming the key",
    arguments: [
      ("vision_config", nil, "vision_config"), ("vision_config.hidden_size", nil, "vision_config.hidden_size"),
      ("vision_config.hidden_size", "26", "vision_config.hidden_size"),
      ("vision_config.num_heads", "5", "vision_config.hidden_size"),
      ("vision_config.head_dim", "8", "vision_config.head_dim"),
      ("vision_config.out_hidden_size", nil, "vision_config.out_hidden_size"),
      ("vision_config.out_hidden_size", "40", "vision_config.out_hidden_size"),
      ("vision_config.window_size", "27", "vision_config.window_size"),
      ("vision_config.window_size", "null", "vision_config.window_size"),
      ("vision_config.window_size", "112.5", "vision_config.window_size"),
      ("vision_config.fullatt_block_indexes", "[-1]", "vision_config.fullatt_block_indexes"),
      ("vision_config.fullatt_block_indexes", "3", "vision_config.fullatt_block_indexes"),
      ("vision_config.fullatt_block_indexes", "null", "vision_config.fullatt_block_indexes"),
      ("vision_config.in_chans", "4", "vision_config.in_chans"),
      ("vision_config.in_channels", "1", "vision_config.in_channels"),
      ("vision_config.hidden_act", #""quick_gelu""#, "vision_config.hidden_act"),
      ("vision_config.model_type", #""qwen2_vl_vision""#, "vision_config.model_type"),
      (
        "vision_config.rope_parameters", #"{"rope_type": "axial", "rope_theta": 1000}"#, "vision_config.rope_parameters"
      ),
      ("vision_config.depth", "0", "vision_config.depth"),
      ("vision_config.intermediate_size", "\"72\"", "vision_config.intermediate_size"),
      ("vision_config.patch_size", "[14, 14]", "vision_config.patch_size"),
      ("hidden_act", #""gelu""#, "hidden_act"), ("use_sliding_window", "true", "use_sliding_window"),
      ("rope_scaling", #"{"type": "yarn", "factor": 4, "mrope_section": [1, 2, 3]}"#, "rope_scaling.type"),
      ("rope_scaling", nil, "rope_scaling"), ("rope_scaling.mrope_section", "[2, 2, 3]", "rope_scaling.mrope_section"),
      ("image_token_id", "100000", "image_token_id"), ("image_token_id", nil, "image_token_id"),
      ("quantization_config", #"{"quant_method": "awq"}"#, "quantization_config"),
    ] as [(String, String?, String)])
  func refused(key: String, value: String?, named: String) throws {
    try ModelFolder.with(copyOf: "qwen2_5_vl") { copy in
      try copy.edit("config.json", key, value)
      let error = try #require(throws: ConfigurationError.self) {
        try Qwen25VLConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      }
      #expect(error.key.hasPrefix(named) && error.path == copy.file("config.json").path, "\(error)")
    }
  }

  @Test("the number of channels may go by either name, or none")
  func channels() throws {
    try ModelFolder.with(copyOf: "qwen2_5_vl") { copy in
      let expected = try configuration(of: "qwen2_5_vl")
      for (old, new) in [(nil, "3"), ("3", "3"), (nil, nil)] as [(String?, String?)] {
        try copy.edit("config.json", "vision_config.in_chans", old)
        try copy.edit("config.json", "vision_config.in_channels", new)
        #expect(try Qwen25VLConfiguration(ConfigurationFile(contentsOf: copy.file("config.json"))) == expected)
      }
    }
  }

  @Test("files of the folder that disagree are refused, naming file and key")
  func disagreements() throws {
    for (folder, file, key, value, words) in [
      ("qwen2_5_vl", "preprocessor_config.json", "patch_size", "16", "`patch_size`"),
      ("qwen2_5_vl", "preprocessor_config.json", "merge_size", "4", "merge_size"),
      ("qwen2_5_vl_nested", "processor_config.json", "image_processor.patch_size", "16", "`patch_size`"),
      ("qwen2_5_vl", "config.json", "image_token_id", "7", "`image_token_id` is 7"),
      ("qwen2_5_vl", "config.json", "vision_config.intermediate_size", "80", "mlp.gate_proj.weight"),
    ] {
      try ModelFolder.with(copyOf: folder) { copy in
        try copy.edit(file, key, value)
        let found = failure { try Qwen25VLSample.model(copy.url) }
        #expect(found?.contains(words) == true && found?.contains(copy.url.path) == true, "\(found ?? "no error")")
      }
    }
  }

  @Test("tensors by old and new names, in shards or in one file, give the same scores; a missing one is named")
  func names() throws {
    for folder in Qwen25VLSample.folders {
      let sample = try #require(try Qwen25VLSample.all().first { $0.folder == folder })
      func scores(_ url: URL) throws -> [Float] {
        let model = try Qwen25VLSample.model(url)
        return try model.scores(sample.image(), [model.sequence(sample.input)])[0]
      }
      let expected = try scores(checkpoint(folder))
      try ModelFolder.with(copyOf: folder) { copy in
        let tensors = try copy.tensors()
        let isOld = tensors.contains { $0.name.hasPrefix("visual.") }
        let renamed = tensors.map { tensor in
          var name = tensor.name
          for (old, new) in [("visual.", "model.visual."), ("model.", "model.language_model.")] {
            let (from, to) = isOld ? (old, new) : (new, old)
            guard name.hasPrefix(from) else { continue }
            name = to + name.dropFirst(from.count)
            break
          }
          return tensor.named(name)
        }
        try copy.write(renamed)
        #expect(try scores(copy.url) == expected, "\(folder)")
        let gone = try #require(renamed.first { $0.name.hasSuffix("visual.blocks.1.mlp.up_proj.bias") })
        try copy.write(renamed.filter { $0.name != gone.name })
        let error = try #require(throws: WeightError.self) { try Qwen25VLSample.model(copy.url) }
        #expect(error.problems.count == 1 && error.problems[0].hasPrefix(gone.name + ": is missing"), "\(error)")
      }
    }
  }

  private func configuration(of folder: String) throws -> Qwen25VLConfiguration {
    try Qwen25VLConfiguration(ConfigurationFile(contentsOf: checkpoint(folder).appendingPathComponent("config.json")))
  }
}

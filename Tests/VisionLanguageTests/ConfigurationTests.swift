import Foundation
import Testing

@testable import VisionLanguage

@Suite("config.json")
struct ConfigurationTests {
  struct Change: Sendable, CustomTestStringConvertible {
    let key: String
    let json: String?
    /// The key that the error names, where it is another.
    var named: String?

    var testDescription: String { "\(key) \(json ?? "missing")" }
  }

  private static let integers = [
    "text_config.hidden_size", "text_config.intermediate_size", "text_config.num_hidden_layers",
    "text_config.num_attention_heads", "text_config.num_key_value_heads", "text_config.vocab_size",
    "vision_config.depth", "vision_config.embed_dim", "vision_config.num_heads", "vision_config.in_channels",
    "vision_config.patch_size", "vision_config.temporal_patch_size", "vision_config.spatial_merge_size",
    "vision_config.hidden_size", "image_token_id", "video_token_id",
  ]
  private static let noIntegers = [
    "-1", "2.5", "\"64\"", "true", "1e300", "[1]", "{}", "9223372036854775807", "-9223372036854775808", "1000000001",
    "12345678901234567890",
  ]
  private static let required = [
    "text_config.hidden_size", "text_config.intermediate_size", "text_config.num_hidden_layers",
    "text_config.num_attention_heads", "text_config.vocab_size", "image_token_id", "vision_config",
  ]

  private static func changes() -> [Change] {
    integers.flatMap { key in noIntegers.map { Change(key: key, json: $0) } }
      + required.flatMap { [Change(key: $0, json: nil), Change(key: $0, json: "null")] }
      + ["text_config.rms_norm_eps", "text_config.rope_parameters.rope_theta", "vision_config.mlp_ratio"].flatMap {
        key in
        ["-1", "\"4\"", "true", "[]", "{}", "1e300"].map { Change(key: key, json: $0) }
      }
      + [
        Change(key: "text_config.hidden_size", json: "0"), Change(key: "text_config.hidden_size", json: "63"),
        Change(key: "text_config.hidden_size", json: "20"), Change(key: "text_config.num_hidden_layers", json: "0"),
        Change(key: "text_config.num_attention_heads", json: "0"),
        Change(key: "text_config.num_key_value_heads", json: "3"),
        Change(key: "text_config.num_key_value_heads", json: "8"),
        Change(key: "text_config.hidden_act", json: "\"gelu\""), Change(key: "text_config.hidden_act", json: "5"),
        Change(key: "text_config.use_sliding_window", json: "true"),
        Change(key: "text_config.use_sliding_window", json: "0"),
        Change(key: "text_config.tie_word_embeddings", json: "1"), Change(key: "tie_word_embeddings", json: "\"yes\""),
        Change(key: "text_config", json: "[]"), Change(key: "text_config", json: "7"),
        Change(key: "text_config.rope_parameters", json: "\"mrope\""),
        Change(key: "text_config.rope_parameters", json: nil, named: "text_config.rope_scaling"),
        Change(key: "text_config.rope_parameters.type", json: "\"yarn\""),
        Change(
          key: "text_config.rope_parameters.rope_type", json: "\"linear\"", named: "text_config.rope_parameters.type"),
        Change(key: "text_config.rope_parameters.rope_type", json: "3"),
        Change(key: "vision_config", json: "[]"), Change(key: "vision_config.embed_dim", json: "34"),
        Change(key: "vision_config.embed_dim", json: "33"),
        Change(key: "vision_config.num_heads", json: "3", named: "vision_config.embed_dim"),
        Change(key: "vision_config.hidden_size", json: "65"), Change(key: "vision_config.in_channels", json: "4"),
        Change(key: "vision_config.hidden_act", json: "\"gelu\""),
        Change(key: "vision_config.mlp_ratio", json: "0.002"),
        Change(key: "quantization_config", json: "{\"quant_method\": \"gptq\", \"bits\": 4}"),
        Change(key: "quantization_config", json: "{\"load_in_4bit\": true}"),
        Change(key: "compression_config", json: "{}"), Change(key: "quantization_config", json: "7"),
        Change(key: "text_config.model_type", json: "\"qwen3\""),
        Change(key: "vision_config.model_type", json: "\"siglip_vision_model\""),
        Change(key: "text_config.layer_types", json: "[\"sliding_attention\"]"),
        Change(key: "text_config.layer_types", json: "3"),
        Change(key: "text_config.head_dim", json: "32"), Change(key: "vision_config.head_dim", json: "32"),
        Change(key: "text_config.partial_rotary_factor", json: "0.5"),
        Change(key: "text_config.rope_parameters.partial_rotary_factor", json: "0.5"),
        Change(key: "vision_config.rope_theta", json: "100"),
        Change(
          key: "vision_config.rope_parameters", json: "{\"rope_theta\": 1000}",
          named: "vision_config.rope_parameters.rope_theta"),
        Change(
          key: "vision_config.rope_parameters", json: "{\"rope_type\": \"linear\"}",
          named: "vision_config.rope_parameters.rope_type"),
        Change(key: "text_config.attention_dropout", json: "2"),
        Change(key: "image_token_id", json: "401"), Change(key: "video_token_id", json: "401"),
      ]
      + [
        "[2,3,4]", "[8]", "[2,3,3,0]", "\"x\"", "[2,3,\"3\"]", "[-1,6,3]", "[2.5,2.5,3]", "[]", "null", "[true,4,3]",
        "[9223372036854775807,9223372036854775807,2]",
      ]
      .map { Change(key: "text_config.rope_parameters.mrope_section", json: $0) }
  }

  @Test(
    "a value that is missing, out of range or of another type is refused, naming file and key", arguments: changes())
  func refused(_ change: Change) throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try folder.edit("config.json", change.key, change.json)
    let file = folder.file("config.json")
    #expect {
      try Qwen2VLConfiguration(contentsOf: file)
    } throws: { error in
      guard let error = error as? ConfigurationError else { return false }
      return error.path == file.path && error.key == change.named ?? change.key && !error.reason.isEmpty
        && error.description.contains(file.path) && error.description.contains(error.key)
    }
  }

  @Test(
    "the flat layout's keys are named as in the file",
    arguments: ["hidden_size", "rope_scaling.mrope_section", "vocab_size"])
  func flat(_ key: String) throws {
    let folder = try ModelFolder(of: "published")
    defer { folder.remove() }
    try folder.edit("config.json", key, "\"x\"")
    #expect {
      try Qwen2VLConfiguration(contentsOf: folder.file("config.json"))
    } throws: { ($0 as? ConfigurationError)?.key == key }
  }

  @Test("both layouts, and either name of the rotary settings, give one configuration")
  func layouts() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let nested = try Qwen2VLConfiguration(contentsOf: folder.file("config.json"))
    #expect(nested.text.hiddenSize == 64 && nested.mropeSection == [2, 3, 3] && nested.text.tieWordEmbeddings)
    #expect(nested.text.headDim == 16 && nested.tower.patchWidth == 1176 && nested.visionIntermediateSize == 128)

    let root = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: folder.file("config.json"))) as? [String: Any])
    var flat = try #require(root["text_config"] as? [String: Any])
    flat.merge(root.filter { $0.key != "text_config" }) { $1 }
    flat["rope_scaling"] = ["type": "mrope", "mrope_section": [2, 3, 3]]
    flat["rope_theta"] = 1_000_000
    flat["rope_parameters"] = nil
    try JSONSerialization.data(withJSONObject: flat).write(to: folder.file("config.json"))
    #expect(try Qwen2VLConfiguration(contentsOf: folder.file("config.json")) == nested)

    try folder.edit("config.json", "rope_scaling", "null")
    try folder.edit("config.json", "rope_parameters", #"{"type": "mrope", "mrope_section": [2, 3, 3]}"#)
    #expect(try Qwen2VLConfiguration(contentsOf: folder.file("config.json")) == nested)
  }

  @Test("an empty rope_scaling counts as none, and dropout in training is reported")
  func tolerated() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let file = folder.file("config.json")
    let plain = try Qwen2VLConfiguration(contentsOf: file)
    #expect(plain.text.remarks.isEmpty)
    try folder.edit("config.json", "text_config.rope_scaling", "{}")
    #expect(try Qwen2VLConfiguration(contentsOf: file) == plain)
    try folder.edit("config.json", "text_config.attention_dropout", "0.1")
    #expect(try Qwen2VLConfiguration(contentsOf: file).text.remarks.first?.contains("attention_dropout") == true)
  }

  @Test(
    "numbers that no Int or Double holds are refused",
    arguments: ["1e999", "-1e999", "NaN", "Infinity", "1e-999", "2.0000001", String(repeating: "9", count: 5000)])
  func numbers(_ number: String) throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let text = String(decoding: try Data(contentsOf: folder.file("config.json")), as: UTF8.self)
    let edited = text.replacingOccurrences(of: "\"depth\": 2", with: "\"depth\": \(number)")
    try #require(edited != text)
    try folder.write(edited, to: "config.json")
    #expect(throws: ConfigurationError.self) { try Qwen2VLConfiguration(contentsOf: folder.file("config.json")) }
  }

  @Test("a byte changed anywhere gives a configuration or an error that names the file")
  func fuzz() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let file = folder.file("config.json")
    let whole = try Data(contentsOf: file)
    let replacements = Array("0-9\"{}[],e.n\u{0}".utf8)
    var refused = 0
    for (turn, place) in stride(from: 0, to: whole.count, by: 2).enumerated() {
      var bytes = whole
      bytes[place] = replacements[turn % replacements.count]
      try bytes.write(to: file)
      do {
        _ = try Qwen2VLConfiguration(contentsOf: file)
      } catch let error as ConfigurationError {
        #expect(error.path == file.path)
        refused += 1
      }
    }
    #expect(refused > whole.count / 10)
  }

  @Test("what a config may leave out has the published default")
  func defaults() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    for key in [
      "text_config.num_key_value_heads", "text_config.rms_norm_eps", "video_token_id", "tie_word_embeddings",
      "text_config.tie_word_embeddings", "text_config.rope_parameters.rope_theta", "vision_config.depth",
      "vision_config.embed_dim", "vision_config.num_heads", "vision_config.mlp_ratio", "vision_config.in_channels",
      "vision_config.patch_size", "vision_config.temporal_patch_size", "vision_config.spatial_merge_size",
    ] {
      try folder.edit("config.json", key, nil)
    }
    let configuration = try Qwen2VLConfiguration(contentsOf: folder.file("config.json"))
    #expect(configuration.text.numKeyValueHeads == 4 && configuration.text.rmsNormEps == 1e-5)
    #expect(configuration.ropeTheta == 1_000_000 && !configuration.text.tieWordEmbeddings)
    #expect(
      configuration.visionDepth == 32 && configuration.visionEmbedDim == 1280 && configuration.visionNumHeads == 16)
    #expect(configuration.visionIntermediateSize == 5120 && configuration.patchSize == 14)
    #expect(
      configuration.temporalPatchSize == 2 && configuration.spatialMergeSize == 2 && configuration.inChannels == 3)
  }
}

import Foundation
import Kernels
import Testing

@testable import VisionLanguage

@Suite("Loading a model folder")
struct ModelFolderTests {
  private func load(_ folder: URL) throws {
    _ = try ModelRegistry.load(
      folder: folder, backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
  }

  @Test("the family is found by model_type", arguments: GoldenSample.folders)
  func registry(_ folder: String) throws {
    let model = try ModelRegistry.load(
      folder: checkpoint(folder), backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
    #expect(model.modelType == "qwen2_vl")
    #expect(ModelRegistry.modelTypes.contains("qwen2_vl"))
  }

  @Test(
    "a config.json that is no JSON object is refused, naming the file",
    arguments: [
      "", "[]", "7", "null", "{", "{\"model_type\": }", "\u{0}\u{1}", "{\"a\":1}{",
      String(repeating: "[", count: 100_000), String(repeating: "{\"a\":", count: 100_000),
    ])
  func noObject(_ text: String) throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try folder.write(text, to: "config.json")
    #expect {
      try load(folder.url)
    } throws: { ($0 as? ConfigurationError)?.path == folder.file("config.json").path }
  }

  @Test("bytes that are no UTF-8 are refused")
  func noText() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try Data([0x7B, 0x22, 0xFF, 0xFE, 0x22, 0x3A, 0x31, 0x7D]).write(to: folder.file("config.json"))
    #expect(throws: ConfigurationError.self) { try load(folder.url) }
  }

  @Test(
    "an unknown model_type is told the nearest known ones",
    arguments: [("qwen2_5_omni", "qwen2_5_vl"), ("gemma3n", "gemma3"), ("llava_next_video", "llava_next")])
  func nearest(name: String, known: String) throws {
    #expect(ModelRegistry.nearest(to: name)[0] == known)
    try ModelFolder.with(copyOf: "nested") { folder in
      try folder.edit("config.json", "model_type", "\"\(name)\"")
      #expect { try load(folder.url) } throws: {
        "\($0)".contains("the nearest that are: \(known)") && "\($0)".contains("docs/adding-a-family.md")
      }
    }
  }

  @Test(
    "a model_type that is missing, unknown or no string is refused, naming the known ones",
    arguments: [nil, "null", "\"blip_2\"", "\"qwen2_5_omni\"", "\"QWEN2_VL\"", "\"\"", "5", "[\"qwen2_vl\"]"]
      as [String?])
  func modelType(_ json: String?) throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try folder.edit("config.json", "model_type", json)
    #expect { try load(folder.url) } throws: { ($0 as? ConfigurationError)?.key == "model_type" }
  }

  @Test("a folder that isn't there, or is a file, is refused, naming it")
  func noFolder() throws {
    let missing = URL(fileURLWithPath: "/nonexistent/model")
    #expect { try load(missing) } throws: { "\($0)".contains("/nonexistent/model") }
    let file = checkpoint("nested").appendingPathComponent("config.json")
    #expect { try load(file) } throws: { "\($0)".contains(file.path) }
  }

  @Test("a missing file is named", arguments: ["config.json", "tokenizer.json", "preprocessor_config.json"])
  func missingFile(_ name: String) throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try FileManager.default.removeItem(at: folder.file(name))
    #expect { try load(folder.url) } throws: { "\($0)".contains(folder.file(name).path) }
  }

  @Test("a folder that transformers 5 saved has the image processor in processor_config.json, which comes first")
  func nestedProcessor() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let size = (width: 640, height: 480)
    func tokens() throws -> Int {
      try loadModel(folder.url).visualLayout(width: size.width, height: size.height).visualTokens
    }
    let expected = try tokens()
    let own = String(decoding: try Data(contentsOf: folder.file("preprocessor_config.json")), as: UTF8.self)
    try folder.write(
      "{\"image_processor\": \(own), \"processor_class\": \"Qwen2VLProcessor\"}", to: "processor_config.json")
    #expect(try tokens() == expected)
    #expect(try loadModel(folder.url).remarks.general.isEmpty)
    try folder.edit("preprocessor_config.json", "size.longest_edge", "6272")
    #expect(try tokens() == expected)
    #expect(try loadModel(folder.url).remarks.general.first?.contains("preprocessor_config.json") == true)
    try FileManager.default.removeItem(at: folder.file("preprocessor_config.json"))
    #expect(try tokens() == expected)
    try folder.edit("processor_config.json", "image_processor.patch_size", "16")
    #expect { try load(folder.url) } throws: {
      "\($0)".contains("processor_config.json") && "\($0)".contains("patch_size")
    }
  }

  @Test(
    "a processor_config.json without an image processor leaves it to preprocessor_config.json",
    arguments: ["{}", #"{"image_processor": null}"#])
  func emptyProcessor(_ json: String) throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try folder.write(json, to: "processor_config.json")
    try load(folder.url)
    try FileManager.default.removeItem(at: folder.file("preprocessor_config.json"))
    #expect { try load(folder.url) } throws: { "\($0)".contains("preprocessor_config.json") }
  }

  @Test("tokens that the tokenizer's files would put round every text are refused")
  func surrounded() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try folder.edit(
      "tokenizer.json", "post_processor",
      #"{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]}"#
    )
    #expect { try load(folder.url) } throws: { "\($0)".contains("<s>") && "\($0)".contains(folder.url.path) }
  }

  @Test(
    "something else in the place of a file is refused, saying what it is and what to do",
    arguments: [
      "config.json", "tokenizer.json", "preprocessor_config.json", "processor_config.json", "model.safetensors",
    ],
    [
      ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
      ("<!DOCTYPE html><html></html>", "web page"), ("Entry not found", "server"),
    ])
  func somethingElse(_ name: String, _ file: (text: String, word: String)) throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try folder.write(file.text, to: name)
    #expect { try load(folder.url) } throws: { "\($0)".contains(folder.file(name).path) && "\($0)".contains(file.word) }
  }

  @Test("a byte order mark is named", arguments: ["config.json", "tokenizer.json", "preprocessor_config.json"])
  func byteOrderMark(_ name: String) throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try (Data([0xEF, 0xBB, 0xBF]) + Data(contentsOf: folder.file(name))).write(to: folder.file(name))
    #expect { try load(folder.url) } throws: { "\($0)".contains("byte order mark") && "\($0)".contains(name) }
  }

  @Test("a folder of the Hugging Face cache is refused, naming the snapshot")
  func cacheFolder() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let cache = folder.url.appendingPathExtension("cache")
    let snapshots = cache.appendingPathComponent("snapshots")
    for name in ["blobs", "refs", "snapshots"] {
      try FileManager.default.createDirectory(at: cache.appendingPathComponent(name), withIntermediateDirectories: true)
    }
    defer { try? FileManager.default.removeItem(at: cache) }
    try FileManager.default.copyItem(at: folder.url, to: snapshots.appendingPathComponent("abc"))
    #expect { try load(cache) } throws: { "\($0)".contains(snapshots.appendingPathComponent("abc").path) }
  }

  @Test("missing weights are named")
  func missingWeights() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try FileManager.default.removeItem(at: folder.file("model.safetensors"))
    #expect { try load(folder.url) } throws: { "\($0)".contains("model.safetensors") }
  }

  @Test("an image_token_id that is another token of the tokenizer is refused")
  func imageToken() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try folder.edit("config.json", "image_token_id", "398")
    #expect {
      try load(folder.url)
    } throws: { error in
      (error as? ConfigurationError)?.key == "image_token_id" && "\(error)".contains("398")
        && "\(error)".contains("399")
    }
  }

  @Test(
    "a preprocessor that cuts other patches than the vision tower takes is refused",
    arguments: [("patch_size", "16"), ("merge_size", "1"), ("temporal_patch_size", "1")])
  func patchSize(_ key: String, _ json: String) throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    try folder.edit("preprocessor_config.json", key, json)
    #expect {
      try load(folder.url)
    } throws: { error in
      (error as? ConfigurationError)?.path == folder.file("preprocessor_config.json").path && "\(error)".contains(key)
    }
  }

  @Test("a tokenizer that knows more tokens than there are embeddings is refused before it reads beyond them")
  func vocabulary() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let root = try JSONSerialization.jsonObject(with: Data(contentsOf: folder.file("tokenizer.json")))
    var tokenizer = try #require(root as? [String: Any])
    var added = try #require(tokenizer["added_tokens"] as? [[String: Any]])
    var extra = try #require(added.last)
    extra["id"] = 401
    extra["content"] = "<extra>"
    added.append(extra)
    tokenizer["added_tokens"] = added
    try JSONSerialization.data(withJSONObject: tokenizer).write(to: folder.file("tokenizer.json"))
    let model = try loadModel(folder.url)
    #expect(model.parts.prompts.tokenizer.id(of: "<extra>") == 401)
    _ = try model.sequence(prompt: "What is this?", description: "extra", layout: .row(of: 4))
    #expect {
      try model.sequence(prompt: "What is this?", description: "an <extra> one", layout: .row(of: 4))
    } throws: { error in
      error is ConfigurationError && "\(error)".contains("token 401") && "\(error)".contains("vocab_size")
    }
  }
}

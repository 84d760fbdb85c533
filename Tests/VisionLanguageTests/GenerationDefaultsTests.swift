import Foundation
import TestSupport
import Testing

@testable import VisionLanguage

@Suite("generation_config.json")
struct GenerationDefaultsTests {
  private func defaults(_ text: String?, _ edit: (ModelFolder) throws -> Void = { _ in }) throws -> GenerationDefaults {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let file = folder.file("generation_config.json")
    if let text {
      try Data(text.utf8).write(to: file)
    } else {
      try FileManager.default.removeItem(at: file)
    }
    try edit(folder)
    return try loadModel(folder.url).generation
  }

  @Test("its eos_token_id ends answers, be it one or a list")
  func stopTokens() throws {
    #expect(try defaults("{\"eos_token_id\": 387}").stopTokens == [387])
    #expect(try defaults("{\"eos_token_id\": [389, 387, 5]}").stopTokens == [389, 387, 5])
  }

  @Test("without it, config.json's counts, its own or the text model's; then the tokenizer's, which is reported")
  func fallbacks() throws {
    let own = try defaults(nil)
    #expect(own.stopTokens == [389] && own.remarks.isEmpty)
    #expect(try defaults(nil) { try $0.edit("config.json", "eos_token_id", "[7, 8]") }.stopTokens == [7, 8])
    let silent = try defaults("{}")
    #expect(silent.stopTokens == [389] && silent.remarks.count == 1)
    let tokenizers = try defaults(nil) { try $0.edit("config.json", "text_config.eos_token_id", "null") }
    #expect(tokenizers.stopTokens == [389] && tokenizers.remarks.count == 1)
    let none = try defaults(nil) {
      try $0.edit("config.json", "text_config.eos_token_id", "null")
      try $0.edit("tokenizer_config.json", "eos_token", nil)
    }
    #expect(none.stopTokens.isEmpty && none.remarks.count == 1)
  }

  @Test("its repetition penalty is taken; 1 where it has none")
  func penalty() throws {
    #expect(try defaults("{\"repetition_penalty\": 1.05}").repetitionPenalty == 1.05)
    #expect(try defaults("{\"repetition_penalty\": null}").repetitionPenalty == 1)
    #expect(try defaults(nil).repetitionPenalty == 1)
  }

  @Test("unsupported settings are reported with their values; neutral ones are not")
  func notApplied() throws {
    let published = try defaults(
      """
      {"bos_token_id": 387, "pad_token_id": 387, "do_sample": true, "eos_token_id": [389, 387],
       "repetition_penalty": 1.0, "temperature": 0.01, "top_p": 0.001, "top_k": 1, "transformers_version": "4.37.0"}
      """
    ).remarks
    #expect(published.count == 1)
    for word in ["do_sample true", "temperature 0.01", "top_p 0.001", "top_k 1", "--temperature"] {
      #expect(published[0].contains(word))
    }
    let steering = try defaults("{\"eos_token_id\": 389, \"no_repeat_ngram_size\": 3, \"suppress_tokens\": [1, 2]}")
    #expect(steering.remarks.count == 1 && steering.remarks[0].contains("no_repeat_ngram_size 3"))
    #expect(steering.remarks[0].contains("suppress_tokens"))
    let neutral = try defaults(
      """
      {"eos_token_id": 389, "do_sample": false, "temperature": 1.0, "top_k": 50, "top_p": 1, "num_beams": 1,
       "no_repeat_ngram_size": 0, "suppress_tokens": [], "early_stopping": false, "forced_eos_token_id": null,
       "max_new_tokens": 128, "use_cache": true, "_from_model_config": true}
      """)
    #expect(neutral.remarks.isEmpty)
  }

  @Test(
    "a value of another kind is refused, naming the file and the key",
    arguments: [
      "{\"eos_token_id\": \"</s>\"}", "{\"eos_token_id\": -1}", "{\"eos_token_id\": 1.5}",
      "{\"eos_token_id\": [1, null]}",
      "{\"eos_token_id\": 3000000000}", "{\"eos_token_id\": true}", "{\"repetition_penalty\": 0}",
      "{\"repetition_penalty\": \"1\"}", "{\"repetition_penalty\": -1.2}", "[]", "{", "",
    ])
  func wrong(_ text: String) throws {
    #expect { try defaults(text) } throws: { "\($0)".contains("generation_config.json") }
  }
}

@Suite("Digests of a model folder's files")
struct ModelFilesTests {
  @Test(
    "a change of any small file shows",
    arguments: ["config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"])
  func changes(_ name: String) throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let before = try ModelFiles(folder: folder.url, chatTemplate: nil)
    try Data(Data(contentsOf: folder.file(name)) + Data(" ".utf8)).write(to: folder.file(name))
    let after = try ModelFiles(folder: folder.url, chatTemplate: nil)
    #expect(before != after && before.chatTemplateSHA256 == after.chatTemplateSHA256)
    #expect(zip(before.parts, after.parts).filter { $0.0.value != $0.1.value }.map(\.0.name) == ["\(name) (SHA-256)"])
  }

  @Test("files that appear show, with the same names; generation_config.json where texts are generated")
  func appearing() throws {
    let folder = try ModelFolder(of: "nested")
    defer { folder.remove() }
    let before = try ModelFiles(folder: folder.url, chatTemplate: nil)
    try folder.write("{}", to: "processor_config.json")
    let after = try ModelFiles(folder: folder.url, chatTemplate: nil)
    #expect(before.parts.map(\.name) == after.parts.map(\.name) && before != after)
    let speaking = try ModelFiles(folder: folder.url, chatTemplate: nil, generates: true)
    try folder.write("{\"eos_token_id\": 5}", to: "generation_config.json")
    #expect(try ModelFiles(folder: folder.url, chatTemplate: nil) == after)
    #expect(try ModelFiles(folder: folder.url, chatTemplate: nil, generates: true) != speaking)
  }

  @Test("the template's digest is of its text, wherever it stands")
  func template() throws {
    let (jinja, legacy) = try (
      ModelFiles(folder: checkpoint("nested"), chatTemplate: nil),
      ModelFiles(folder: checkpoint("published"), chatTemplate: nil)
    )
    #expect(jinja.chatTemplateSHA256 == legacy.chatTemplateSHA256)
    // sha256sum of the file
    #expect(jinja.chatTemplateSHA256 == "a0bc6f6fc7a29a80017a433e8f03a1cc1236e838a944a2d034295a60c4f2fddb")
  }
}

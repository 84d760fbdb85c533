import Foundation
import TestSupport
import Testing

@testable import Tokenization

@Suite("Agreement with the tokenizers library on Gemma's and Llama 2's pipelines")
struct PipelineGoldenTests {
  /// Those with trained vocabularies, and Mistral 7B's real one where tools/goldens/tokenizer/mistral.py has made it.
  static let kinds: [String] = {
    let file = Fixtures.cache.appendingPathComponent("mistral-tokenizer/mistral-strings.json")
    return ["gemma", "llama"] + (FileManager.default.fileExists(atPath: file.path) ? ["mistral"] : [])
  }()

  private static func file(_ kind: String, _ name: String) -> URL {
    let folder = kind == "mistral" ? Fixtures.cache.appendingPathComponent("mistral-tokenizer") : Fixtures.goldens
    return folder.appendingPathComponent("\(kind)-\(name).json")
  }

  static func tokenizer(_ kind: String) throws -> Tokenizer { try Tokenizer(contentsOf: file(kind, "tokenizer")) }

  private static func goldens(_ kind: String) throws -> [String: Any] {
    let json = try JSONSerialization.jsonObject(with: Data(contentsOf: file(kind, "strings")))
    return try #require(json as? [String: Any])
  }

  /// Offsets as the gap to the token before, which may be negative, and the length.
  private static func relative(_ encoding: Tokenization.Encoding) -> [Int] {
    var end = 0
    return encoding.offsets.flatMap { span in
      defer { end = span.upperBound }
      return [span.lowerBound - end, span.count]
    }
  }

  /// What differs from the row's ids, offsets and decoded text; a row without a decoded text has the text itself.
  private static func differences(_ tokenizer: Tokenizer, _ text: String, _ row: ArraySlice<Any>, decoded: Any?) throws
    -> [String]
  {
    let values = Array(row)
    let ids = try #require(values[0] as? [Int])
    let offsets = try #require(values[1] as? [Int])
    let encoding = try tokenizer.encode(text)
    let shown = text.unicodeScalars.prefix(80).map { $0.escaped(asASCII: true) }.joined()
    var found: [String] = []
    if encoding.ids.map(Int.init) != ids { found.append("\(shown): ids \(encoding.ids) instead of \(ids)") }
    if relative(encoding) != offsets {
      found.append("\(shown): relative offsets \(relative(encoding)) instead of \(offsets)")
    }
    if let decoded = decoded as? String {
      let own = tokenizer.decode(ids, skipSpecialTokens: true)
      if !sameBytes(own, decoded) {
        found.append("\(shown): decoded \(own.debugDescription) instead of \(decoded.debugDescription)")
      }
    }
    return found
  }

  private static func report(_ differences: [String], _ count: Int) {
    for difference in differences.prefix(10) { Issue.record("\(difference)") }
    #expect(differences.isEmpty, "\(differences.count) differences in \(count) texts")
  }

  @Test("ids, offsets and decoded texts of 2,000 texts are exactly the library's", arguments: kinds)
  func agreement(_ kind: String) throws {
    let tokenizer = try Self.tokenizer(kind)
    let rows = try #require(try Self.goldens(kind)["strings"] as? [[Any]])
    #expect(rows.count >= 2000)
    let differences = try rows.flatMap { row in
      let text = try #require(row[0] as? String)
      return try Self.differences(tokenizer, text, row[1...], decoded: row.count > 3 ? row[3] : text)
    }
    Self.report(differences, rows.count)
  }

  @Test(
    "ids decode as in the library, bytes that are no UTF-8 too, with and without special tokens",
    arguments: kinds)
  func decoding(_ kind: String) throws {
    let tokenizer = try Self.tokenizer(kind)
    let rows = try #require(try Self.goldens(kind)["decoded"] as? [[Any]])
    for row in rows {
      let ids = try #require(row[0] as? [Int])
      for (expected, skips) in [(row[1], false), (row[2], true)] {
        let decoded = tokenizer.decode(ids, skipSpecialTokens: skips)
        #expect(sameBytes(decoded, try #require(expected as? String)), "\(ids), skipping \(skips)")
      }
    }
  }

  // MARK: - Stages

  @Test("every stage with its options agrees")
  func stages() throws {
    let root = try #require(try Fixtures.json("pipeline-stages.json") as? [String: Any])
    let texts = try #require(root["texts"] as? [String])
    let base = try #require(try Fixtures.json("llama-tokenizer.json") as? [String: Any])
    for variant in try #require(root["variants"] as? [[String: Any]]) {
      let name = try #require(variant["name"] as? String)
      var change = try #require(variant["change"] as? [String: Any])
      if let model = change["model"] as? [String: Any] { change["model"] = try Self.model(base, changed: model) }
      let file = try JSONSerialization.data(withJSONObject: base.merging(change) { $1 })
      let tokenizer = try Fixtures.tokenizer(String(decoding: file, as: UTF8.self))
      let cases = try #require(variant["cases"] as? [[Any]])
      for (text, row) in zip(texts, cases) {
        for difference in try Self.differences(tokenizer, text, row[...], decoded: row[2]) {
          Issue.record("\(name): \(difference)")
        }
      }
    }
  }

  private static func model(_ base: [String: Any], changed: [String: Any]) throws -> [String: Any] {
    var model = try #require(base["model"] as? [String: Any]).merging(changed) { $1 }
    var vocabulary = try #require(model["vocab"] as? [String: Any])
    for token in try #require(model.removeValue(forKey: "renamed") as? [String]) {
      vocabulary["no \(token)"] = vocabulary.removeValue(forKey: token)
    }
    model["vocab"] = vocabulary
    return model
  }

  // MARK: - Folders

  @Test("folders give transformers' ids, texts and surrounding tokens, whatever class and model they name")
  func folders() throws {
    let cases = try #require(try Fixtures.json("pipeline-folders.json") as? [[String: Any]])
    for (number, golden) in cases.enumerated() {
      let tokenizer = try Fixtures.withFolder { folder in
        try Self.write(golden, in: folder)
        return try Tokenizer(contentsOf: folder)
      }
      let texts = try #require(golden["texts"] as? [String])
      let ids = try #require(golden["ids"] as? [[Int]])
      let decoded = try #require(golden["decoded"] as? [String])
      let place = "case \(number), \(golden["class"] ?? "")"
      for (index, text) in texts.enumerated() {
        #expect(try tokenizer.encode(text).ids.map(Int.init) == ids[index], "\(place): \(text.debugDescription)")
        let own = tokenizer.decode(ids[index], skipSpecialTokens: true)
        #expect(sameBytes(own, decoded[index]), "\(place): \(decoded[index].debugDescription)")
      }
      #expect(tokenizer.leadingTokens == golden["around"] as? [String], "\(place)")
      #expect(tokenizer.trailingTokens.isEmpty)
    }
  }

  private static func write(_ golden: [String: Any], in folder: URL) throws {
    let kind = try #require(golden["base"] as? String)
    let base = try #require(try Fixtures.json("\(kind)-tokenizer.json") as? [String: Any])
    let tokenizer = base.merging(try #require(golden["change"] as? [String: Any])) { $1 }
    var config = try #require(golden["config"] as? [String: Any])
    if golden["listed"] as? Bool == true {
      var listed: [String: Any] = [:]
      for var token in try #require(base["added_tokens"] as? [[String: Any]]) {
        let id = try #require(token.removeValue(forKey: "id") as? Int)
        listed["\(id)"] = token
      }
      config["added_tokens_decoder"] = listed
    }
    var model: [String: Any] = [:]
    if let type = golden["model_type"] as? String { model["model_type"] = type }
    for (name, value) in [("tokenizer.json", tokenizer), ("tokenizer_config.json", config), ("config.json", model)] {
      try JSONSerialization.data(withJSONObject: value).write(to: folder.appendingPathComponent(name))
    }
  }

  @Test(
    "vocab.json and merges.txt are not enough for these classes: transformers makes unknown tokens of them",
    arguments: ["GemmaTokenizer", "LlamaTokenizer"])
  func vocabularyFiles(_ kind: String) throws {
    try Fixtures.withFolder { folder in
      for (name, text) in [
        ("vocab.json", #"{"a": 0, "<unk>": 1}"#), ("merges.txt", "#version: 0.2\n"),
        ("tokenizer_config.json", #"{"tokenizer_class": "\#(kind)"}"#),
      ] {
        try Data(text.utf8).write(to: folder.appendingPathComponent(name))
      }
      let error = try #require(throws: TokenizationError.self) { try Tokenizer(contentsOf: folder) }
      #expect(error.file.hasSuffix("/tokenizer.json") && error.problem.contains("create a tokenizer.json"), "\(error)")
    }
  }

  @Test("a folder of a model without a class of its own must name one")
  func unnamedClass() throws {
    try Fixtures.withFolder { folder in
      try Data(contentsOf: Fixtures.smallTokenizer).write(to: folder.appendingPathComponent("tokenizer.json"))
      try Data(#"{"model_type": "paligemma"}"#.utf8).write(to: folder.appendingPathComponent("config.json"))
      let error = try #require(throws: TokenizationError.self) { try Tokenizer(contentsOf: folder) }
      #expect(error.key == "tokenizer_class" && error.problem.contains("paligemma"), "\(error)")
    }
  }

  // MARK: - Long texts

  @Test("a text of 1 MB is one word, and merged in a few seconds", arguments: kinds)
  func longText(_ kind: String) throws {
    let tokenizer = try Self.tokenizer(kind)
    let sentence = "A photo of a large red circle next to a small blue square, 犬 on the left of the image. "
    let text = String(repeating: sentence, count: (isDebugBuild ? 50_000 : 1_000_000) / sentence.utf8.count)
    let start = ContinuousClock.now
    let encoding = try tokenizer.encode(text)
    let time = ContinuousClock.now - start
    print("Tokenization: 1 MB in one word, \(kind): \(time)")
    #expect(time < .seconds(20))
    #expect(encoding.offsets.last?.upperBound == text.unicodeScalars.count)
    #expect(sameBytes(tokenizer.decode(encoding.ids.map(Int.init), skipSpecialTokens: true), text))
  }

  @Test("an answer that grows token by token ends as the whole", arguments: kinds)
  func growing(_ kind: String) throws {
    let tokenizer = try Self.tokenizer(kind)
    let text = "Two dogs 犬🙂 run"
    let ids = try tokenizer.encode(text).ids.map(Int.init)
    for count in ids.indices {
      let part = tokenizer.decode(Array(ids[...count]), skipSpecialTokens: true)
      let whole = part.unicodeScalars.prefix { $0 != "\u{FFFD}" }
      #expect(text.unicodeScalars.starts(with: whole))
    }
    #expect(tokenizer.decode(ids, skipSpecialTokens: true) == text)
  }
}

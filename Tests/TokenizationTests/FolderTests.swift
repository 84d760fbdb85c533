import Foundation
import JSON
import Testing

@testable import Tokenization

@Suite("A model folder's tokenizer files")
struct FolderTests {
  private static let pattern = Qwen2Stages.pattern

  /// A tokenizer.json with Qwen2's stages and the small vocabulary, which that vocabulary's added tokens go behind.
  private static func base(addedTokens: Any?) throws -> [String: Any] {
    var root = try #require(try Fixtures.json("small-tokenizer.json") as? [String: Any])
    root["normalizer"] = ["type": "NFC"]
    root["pre_tokenizer"] = [
      "type": "Sequence",
      "pretokenizers": [
        ["type": "Split", "pattern": ["Regex": pattern], "behavior": "Isolated", "invert": false],
        ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false],
      ] as [Any],
    ]
    root["added_tokens"] = addedTokens ?? []
    return root
  }

  private static func write(_ value: Any, _ name: String, in folder: URL) throws {
    try JSONSerialization.data(withJSONObject: value).write(to: folder.appendingPathComponent(name))
  }

  /// vocab.json and merges.txt in the place of a tokenizer.json.
  private static func writeSlow(_ root: [String: Any], in folder: URL, version: String = "#version: 0.2\n") throws {
    let model = try #require(root["model"] as? [String: Any])
    try write(try #require(model["vocab"]), "vocab.json", in: folder)
    let merges = try #require(model["merges"] as? [Any]).map { merge in
      (merge as? [String])?.joined(separator: " ") ?? merge as? String ?? ""
    }
    try Data((version + merges.map { $0 + "\n" }.joined()).utf8).write(to: folder.appendingPathComponent("merges.txt"))
  }

  private static func folder<R>(
    _ files: [String: Any] = [:], addedTokens: Any? = nil, slow: Bool = false, _ body: (URL) throws -> R
  ) throws -> R {
    try Fixtures.withFolder { folder in
      let root = try base(addedTokens: addedTokens)
      if slow { try writeSlow(root, in: folder) } else { try write(root, "tokenizer.json", in: folder) }
      for (name, value) in files { try write(value, name, in: folder) }
      return try body(folder)
    }
  }

  private func fault(_ files: [String: Any], addedTokens: Any? = nil, slow: Bool = false) throws -> TokenizationError {
    try Self.folder(files, addedTokens: addedTokens, slow: slow) { folder in
      try #require(throws: TokenizationError.self) { try Tokenizer(contentsOf: folder) }
    }
  }

  /// The id behind the vocabulary's end.
  private var after: Int {
    get throws { try Tokenizer(contentsOf: Fixtures.smallTokenizer).vocabularySize }
  }

  // MARK: - As transformers

  @Test("in 120 variants give the ids and texts that transformers' AutoTokenizer gives")
  func goldens() throws {
    let goldens = try #require(try Fixtures.json("folders.json") as? [String: Any])
    let cases = try #require(goldens["cases"] as? [[String: Any]])
    #expect(cases.count >= 100)
    for (number, golden) in cases.enumerated() {
      let files = try #require(golden["files"] as? [String: Any])
      let texts = try #require(golden["texts"] as? [String])
      let slow = try #require(golden["slow"] as? Bool)
      try Self.folder(files, addedTokens: golden["added_tokens"], slow: slow) { folder in
        let tokenizer = try Tokenizer(contentsOf: folder)
        let ids = try texts.map { try tokenizer.encode($0).ids.map(Int.init) }
        #expect(ids == golden["ids"] as? [[Int]], "case \(number)")
        let decoded = ids.map { tokenizer.decode($0, skipSpecialTokens: true) }
        let expected = try #require(golden["decoded"] as? [String])
        #expect(zip(decoded, expected).allSatisfy(sameBytes), "case \(number)")
        #expect(
          tokenizer.leadingTokens.count + tokenizer.trailingTokens.count == golden["around"] as? Int, "case \(number)")
      }
    }
  }

  @Test("vocab.json and merges.txt give exactly the library's ids and offsets on the real Qwen2 vocabulary")
  func realVocabulary() throws {
    _ = try Fixtures.qwen2()
    let root = try JSONNode.read(Fixtures.qwen2File)
    let goldens = try #require(try Fixtures.json("qwen2-strings.json") as? [[Any]])
    try Fixtures.withFolder { folder in
      let model = try root.required("model")
      let vocab = try model.required("vocab").members().map { "\(Self.quoted($0.key)): \(try Self.number($0.value))" }
      try Data("{\(vocab.joined(separator: ", "))}".utf8).write(to: folder.appendingPathComponent("vocab.json"))
      let merges = try model.required("merges").elements().map { merge in
        if case .string(let text) = merge.value { return text.text }
        return try merge.elements().map { try $0.string().text }.joined(separator: " ")
      }
      try Data(("#version: 0.2\n" + merges.map { $0 + "\n" }.joined()).utf8)
        .write(to: folder.appendingPathComponent("merges.txt"))
      let added = try root.required("added_tokens").elements().map { token in
        "\(Self.quoted(try token.required("content").string())): \(try token.required("id").tokenID())"
      }
      try Data("{\(added.joined(separator: ", "))}".utf8).write(to: folder.appendingPathComponent("added_tokens.json"))
      try Self.write(
        [
          "additional_special_tokens": try root.required("added_tokens").elements().map {
            try $0.required("content").string().text
          }
        ],
        "tokenizer_config.json", in: folder)
      let tokenizer = try Tokenizer(contentsOf: folder)
      var wrong: [String] = []
      for golden in goldens {
        let text = try #require(golden[0] as? String)
        let encoding = try tokenizer.encode(text)
        if encoding.ids.map(Int.init) != golden[1] as? [Int] || encoding.flatOffsets != golden[2] as? [Int] {
          wrong.append(text)
        }
      }
      #expect(wrong.isEmpty, "\(wrong.count) of \(goldens.count): \(wrong.prefix(3))")
      #expect(goldens.count >= 2000)
    }
  }

  private static func quoted(_ text: ByteString) -> String {
    let escaped = text.text.unicodeScalars.map { scalar in
      scalar == "\"" || scalar == "\\"
        ? "\\\(scalar)"
        : scalar.value < 0x20 ? "\\u00\(scalar.value < 16 ? "0" : "")\(String(scalar.value, radix: 16))" : "\(scalar)"
    }
    return "\"\(escaped.joined())\""
  }

  private static func number(_ value: JSONValue) throws -> Int {
    guard case .integer(let number) = value else { throw CocoaError(.coderInvalidValue) }
    return number
  }

  // MARK: - Refused

  @Test("an added token with another id than the tokenizers library gives it is refused")
  func otherID() throws {
    let right = try after
    let wrong = right + 5
    let token = ["content": "<x>", "special": true] as [String: Any]
    for error in [
      try fault([:], addedTokens: [token.merging(["id": wrong]) { $1 }]),
      try fault(["tokenizer_config.json": ["added_tokens_decoder": ["\(wrong)": token]]]),
      try fault(["added_tokens.json": ["<x>": wrong]], slow: true),
    ] {
      #expect(error.problem.contains("\(wrong)") && error.problem.contains("\(right)"), "\(error)")
    }
  }

  @Test(
    "what would change ids and isn't done is refused, naming the key",
    arguments: [
      (#"{"split_special_tokens": true}"#, "split_special_tokens"),
      (#"{"tokenizer_class": "GPT2Tokenizer"}"#, "tokenizer_class"),
      (#"{"tokenizer_class": 7}"#, "tokenizer_class"), (#"{"eos_token": 5}"#, "eos_token"),
      (#"{"eos_token": {"content": "<x>"}}"#, "eos_token"),
      (#"{"added_tokens_decoder": null}"#, "added_tokens_decoder"),
      (#"{"added_tokens_decoder": []}"#, "added_tokens_decoder"),
      (#"{"added_tokens_decoder": {"x": {"content": "<x>"}}}"#, "added_tokens_decoder.x"),
      (#"{"added_tokens_decoder": {"-1": {"content": "<x>"}}}"#, "added_tokens_decoder.-1"),
      (#"{"added_tokens_decoder": {"3": {}}}"#, "added_tokens_decoder.3.content"),
      (#"{"additional_special_tokens": [3]}"#, "additional_special_tokens[0]"),
      (#"{"additional_special_tokens": [{}]}"#, "additional_special_tokens[0]"),
      (#"{"extra_special_tokens": "x"}"#, "extra_special_tokens"), (#"{"add_prefix_space": 1}"#, "add_prefix_space"),
      (#"{"fast_tokenizer_files": ["tokenizer.4.0.json"]}"#, "fast_tokenizer_files"),
    ])
  func refused(json: String, key: String) throws {
    let value = try JSONSerialization.jsonObject(with: Data(json.utf8))
    let error = try fault(["tokenizer_config.json": value])
    #expect(error.file.hasSuffix("tokenizer_config.json") && error.key == key, "\(error)")
  }

  @Test(
    "half of a vocabulary, or one in another format, is refused, saying how to make a tokenizer.json",
    arguments: ["vocab.json", "merges.txt", "tokenizer.model", "qwen.tiktoken"])
  func halfVocabulary(name: String) throws {
    try Fixtures.withFolder { folder in
      try Data("{}".utf8).write(to: folder.appendingPathComponent(name))
      let error = try #require(throws: TokenizationError.self) { try Tokenizer(contentsOf: folder) }
      #expect(error.file.hasSuffix("tokenizer.json"))
      #expect(error.problem.contains(name) && error.problem.contains("save_pretrained"), "\(error)")
    }
  }

  @Test(
    "a broken merges.txt is refused, naming the line",
    arguments: [
      ("a b\na\n", "line 2"), ("a b c\n", "line 1"), ("#version: 0.2\n\na b\n", "line 2"), ("zzz qqq\n", "merges[0]"),
    ])
  func brokenMerges(text: String, key: String) throws {
    try Self.folder(slow: true) { folder in
      try Data(text.utf8).write(to: folder.appendingPathComponent("merges.txt"))
      let error = try #require(throws: TokenizationError.self) { try Tokenizer(contentsOf: folder) }
      #expect(error.key == key, "\(error)")
    }
  }

  @Test(
    "something else in the place of a file is refused, saying what it is",
    arguments: ["tokenizer.json", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"],
    [
      ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
      ("\u{FEFF}{}", "byte order mark"), ("<!DOCTYPE html>", "web page"), ("", "is empty"),
    ])
  func somethingElse(name: String, _ file: (text: String, word: String)) throws {
    try Self.folder { folder in
      try Data(file.text.utf8).write(to: folder.appendingPathComponent(name))
      let error = try #require(throws: TokenizationError.self) { try Tokenizer(contentsOf: folder) }
      #expect(error.file.hasSuffix(name) && error.problem.contains(file.word), "\(error)")
    }
  }

  @Test("a link to nothing is refused, naming what it links to")
  func dangling() throws {
    try Fixtures.withFolder { folder in
      try FileManager.default.createSymbolicLink(
        atPath: folder.appendingPathComponent("tokenizer.json").path, withDestinationPath: "../../blobs/none")
      let error = try #require(throws: TokenizationError.self) { try Tokenizer(contentsOf: folder) }
      #expect(error.problem.contains("../../blobs/none"))
    }
  }

  // MARK: - Told

  @Test("stages of tokenizer.json that the class doesn't use are reported")
  func otherStages() throws {
    try Self.folder { folder in
      #expect(try Tokenizer(contentsOf: folder).remarks.isEmpty)
      var root = try Self.base(addedTokens: nil)
      root["normalizer"] = nil
      try Self.write(root, "tokenizer.json", in: folder)
      let tokenizer = try Tokenizer(contentsOf: folder)
      #expect(tokenizer.remarks.count == 1 && tokenizer.remarks[0].contains("normalizer"))
      try Self.write(["tokenizer_class": "TokenizersBackend"], "tokenizer_config.json", in: folder)
      #expect(try Tokenizer(contentsOf: folder).remarks.isEmpty)
    }
  }

  @Test("a template that adds tokens around a text is reported")
  func template() throws {
    try Self.folder { folder in
      var root = try Self.base(addedTokens: nil)
      root["post_processor"] = [
        "type": "TemplateProcessing",
        "single": [["SpecialToken": ["id": "<s>", "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]]] as [Any],
      ]
      try Self.write(root, "tokenizer.json", in: folder)
      #expect(try Tokenizer(contentsOf: folder).leadingTokens == ["<s>"])
    }
  }
}

import Foundation
import Testing

@testable import Tokenization

@Suite("Broken tokenizer files")
struct BrokenFileTests {
  /// A whole file with one part as given.
  private static func file(
    vocab: String = #"{"a": 0, "b": 1, "ab": 2}"#, merges: String = #"["a b"]"#, model: String = "", rest: String = ""
  ) -> String {
    #"{"model": {"type": "BPE", "vocab": \#(vocab), "merges": \#(merges)\#(model)}\#(rest)}"#
  }

  private static func split(_ pattern: String) -> String {
    file(
      rest:
        #", "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\#(pattern)"}, "behavior": "Isolated", "invert": false}"#
    )
  }

  /// Stages that each double a text.
  private static func doubling(_ stages: String, times: Int) -> String {
    let stage = #"{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}"#
    return #"{"type": "Sequence", "\#(stages)": [\#(repeatElement(stage, count: times).joined(separator: ", "))]}"#
  }

  @Test(
    "each is refused with a sentence that names the place",
    arguments: [
      ("", "is empty"),
      ("{", "the text ends in the middle of a JSON value"),
      ("model", "a JSON value was expected"),
      (#"{"a": 1} x"#, "something follows"),
      (#"{"a": "\ud800"}"#, "surrogate"),
      (#"{"a": 1,}"#, "a key in double quotes was expected"),
      (#"{"a": 1e999}"#, "is not a number"),
      (String(repeating: "[", count: 100_000), "nested deeper than 128 levels"),
      ("[]", "an object was expected, not an array"),
      ("{}", "model: the key is missing"),
      (#"{"model": 3}"#, "model: an object was expected, not a number"),
      (#"{"model": {}, "model": {}}"#, "model: the key occurs 2 times"),
      (#"{"model": {"type": "WordPiece"}}"#, #"model.type: the model "WordPiece" is not supported"#),
      (#"{"model": {"type": "BPE"}}"#, "model.vocab: the key is missing"),
      (#"{"model": {"vocab": {"a": 0}}}"#, "model.merges: the key is missing"),
      (file(vocab: "{}"), "model.vocab: the vocabulary is empty"),
      (file(vocab: #"["a"]"#), "model.vocab: an object was expected"),
      (file(vocab: #"{"a": -1}"#), #"model.vocab["a"]: a token id is a whole number"#),
      (file(vocab: #"{"a": 99999999999}"#), #"model.vocab["a"]: a token id"#),
      (file(vocab: #"{"a": 99999999999999999999999}"#), #"model.vocab["a"]: a token id"#),
      (file(vocab: #"{"a": 0.5}"#), #"model.vocab["a"]: a token id"#),
      (file(vocab: #"{"a": "0"}"#), #"model.vocab["a"]: a token id"#),
      (file(vocab: #"{"a": 0, "b": 0}"#), #"the tokens "a" and "b" have the same id 0"#),
      (file(vocab: #"{"a": 0, "a": 1}"#), #"the token "a" occurs twice"#),
      (file(merges: "{}"), "model.merges: an array was expected"),
      (file(merges: #"["a b", "a c"]"#), "model.merges[1]: the token \"ac\" is not in the vocabulary"),
      (file(merges: #"["b a"]"#), "model.merges[0]: the token \"ba\" is not in the vocabulary"),
      (file(merges: #"["ab"]"#), "model.merges[0]: \"ab\" is not two tokens"),
      (file(merges: #"["a  b"]"#), "model.merges[0]: \"a  b\" is not two tokens"),
      (file(merges: #"[["a", "b", "c"]]"#), "model.merges[0]: a pair of strings was expected"),
      (file(merges: "[7]"), "model.merges[0]: a string"),
      (file(model: #", "unk_token": "<unk>""#), "model.unk_token: \"<unk>\" is not in the vocabulary"),
      (file(model: #", "unk_token": 5"#), "model.unk_token: a string was expected"),
      (file(model: #", "dropout": 0.1"#), "model.dropout: dropout is random"),
      (file(model: #", "continuing_subword_prefix": "@@""#), "model.continuing_subword_prefix: not supported"),
      (file(model: #", "byte_fallback": "yes""#), "model.byte_fallback: true or false was expected"),
      (file(rest: #", "normalizer": {"type": "Lowercase"}"#), #"normalizer.type: the normalizer "Lowercase""#),
      (
        file(rest: #", "normalizer": {"type": "Sequence", "normalizers": [{}]}"#),
        "normalizer.normalizers[0].type: the key"
      ),
      (file(rest: #", "normalizer": {"type": "Replace", "content": "x"}"#), "normalizer.pattern: the key is missing"),
      (
        file(rest: #", "normalizer": \#(doubling("normalizers", times: 21))"#),
        "normalizer: can make a text 2097152.0 times"
      ),
      (file(rest: #", "decoder": \#(doubling("decoders", times: 21))"#), "decoder: can make a text 2097152.0 times"),
      (
        file(rest: #", "normalizer": {"type": "Replace", "pattern": {"String": "a"}}"#),
        "normalizer.content: the key is missing"
      ),
      (
        file(rest: #", "normalizer": {"type": "Replace", "pattern": {"String": ""}, "content": "x"}"#),
        "normalizer.pattern.String: there is nothing to look for"
      ),
      (
        file(rest: #", "normalizer": {"type": "Replace", "pattern": {"Regex": "("}, "content": "x"}"#),
        "normalizer.pattern.Regex: \"(\" is not a regular expression"
      ),
      (file(rest: #", "normalizer": {"type": "Prepend", "prepend": 3}"#), "normalizer.prepend: a string was expected"),
      (
        file(rest: #", "pre_tokenizer": {"type": "Whitespace"}"#),
        #"pre_tokenizer.type: the pre-tokenizer "Whitespace""#
      ),
      (file(rest: #", "pre_tokenizer": {"type": "Metaspace"}"#), "pre_tokenizer.replacement: the key is missing"),
      (
        file(rest: #", "pre_tokenizer": {"type": "Metaspace", "replacement": "__"}"#),
        "pre_tokenizer.replacement: one character was expected"
      ),
      (
        file(rest: #", "pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"}"#),
        "pre_tokenizer.prepend_scheme: is not one of first, always, never"
      ),
      (file(rest: #", "pre_tokenizer": []"#), "pre_tokenizer: an object was expected"),
      (split("(a"), "pre_tokenizer.pattern.Regex: \"(a\" is not a regular expression"),
      (split("[a-z&&[^b]]"), "the intersection of character classes"),
      (split(#"[\\W]"#), #"\W inside a character class is not supported"#),
      (split(#"\\p{Nonsense}"#), "is not a regular expression that can be used"),
      (split(#"\\p{L"#), #"\p{ has no closing brace"#),
      (split("(((((a{99}){99}){99}){99}){99})"), "is not a regular expression that can be used"),
      (
        file(rest: #", "pre_tokenizer": {"type": "Split", "pattern": {}, "behavior": "Isolated"}"#),
        "pre_tokenizer.pattern: an object with the key"
      ),
      (
        file(rest: #", "pre_tokenizer": {"type": "Split", "pattern": {"String": "a"}, "behavior": "Kept"}"#),
        #"pre_tokenizer.behavior: "Kept" is not one of"#
      ),
      (file(rest: #", "decoder": {"type": "WordPiece"}"#), #"decoder.type: the decoder "WordPiece""#),
      (file(rest: #", "decoder": {"type": "Sequence"}"#), "decoder.decoders: the key is missing"),
      (
        file(rest: #", "decoder": {"type": "Strip", "content": "", "start": 1, "stop": 0}"#),
        "decoder.content: one character was expected"
      ),
      (
        file(rest: #", "decoder": {"type": "Strip", "content": " ", "start": -1, "stop": 0}"#),
        "decoder.start: a whole number, 0 or more"
      ),
      (
        file(rest: #", "decoder": {"type": "Replace", "pattern": {"Regex": "a"}, "content": " "}"#),
        "decoder.pattern: a regular expression is not supported here"
      ),
      (
        file(rest: #", "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "a"}}]}"#),
        "post_processor.single: shows the text 0 times"
      ),
      (file(rest: #", "post_processor": {"type": "BertProcessing"}"#), "post_processor.cls: the key is missing"),
      (
        file(rest: #", "post_processor": {"type": "BertProcessing", "cls": ["a", 0], "sep": ["b", 7]}"#),
        "post_processor.sep: the token b has the ids [7] here, and 1 in the vocabulary"
      ),
      (file(rest: #", "post_processor": {"type": "X"}"#), #"post_processor.type: the post-processor "X""#),
      (file(rest: #", "added_tokens": [{"id": 3}]"#), "added_tokens[0].content: the key is missing"),
      (file(rest: #", "added_tokens": [{"id": -3, "content": "x"}]"#), "added_tokens[0].id: a token id"),
      (
        file(rest: #", "added_tokens": [{"id": 3, "content": ""}]"#),
        "added_tokens[0].content: an added token can't be empty"
      ),
      (file(rest: #", "added_tokens": [{"id": 3, "content": "a"}]"#), "added_tokens[0]: the token \"a\" has the id 0"),
      (
        file(rest: #", "added_tokens": [{"id": 2, "content": "x"}]"#),
        "added_tokens[0]: the id 2 is that of the token \"ab\""
      ),
      (
        file(rest: #", "added_tokens": [{"id": 3, "content": "x"}, {"id": 3, "content": "y"}]"#),
        "added_tokens[1]: the id 3 is given to two added tokens"
      ),
      (
        file(rest: #", "added_tokens": [{"id": 3, "content": "x"}, {"id": 4, "content": "x"}]"#),
        "added_tokens[1]: the token \"x\" occurs twice"
      ),
    ])
  func refused(_ json: String, _ expected: String) throws {
    let fault = try Fixtures.fault(json)
    #expect(fault.contains(expected), "the error is: \(fault)")
  }

  @Test("every beginning of a good file is refused, never a trap")
  func truncated() throws {
    let whole = Array(
      Self.file(
        rest: #", "normalizer": {"type": "Prepend", "prepend": "▁"}, "decoder": {"type": "Sequence", "decoders": []}"#
      ).utf8)
    for length in 0..<whole.count {
      #expect(throws: TokenizationError.self) {
        try Fixtures.tokenizer(String(decoding: whole[..<length], as: UTF8.self))
      }
    }
  }

  @Test("any value in any place of a stage is refused or works, never a trap", arguments: ["gemma", "llama"])
  func misplacedValues(_ kind: String) throws {
    let root = try #require(try Fixtures.json("\(kind)-tokenizer.json") as? [String: Any])
    let vocabulary: [String: Any] = ["a": 0, "▁": 1, "▁a": 2, "<0xE2>": 3, "<unk>": 4, "<bos>": 5, "<s>": 6]
    var small = root.merging(["added_tokens": [["id": 7, "content": "<x>"]]]) { $1 }
    var model = try #require(root["model"] as? [String: Any])
    (model["vocab"], model["merges"]) = (vocabulary, ["▁ a"])
    small["model"] = model
    var count = 0
    for changed in Self.changes(of: small) {
      let file = try JSONSerialization.data(withJSONObject: changed, options: .fragmentsAllowed)
      do {
        let tokenizer = try Fixtures.tokenizer(String(decoding: file, as: UTF8.self))
        let ids = try tokenizer.encode(" a â<x>  a犬").ids.map(Int.init)
        _ = tokenizer.decode(ids + [3, 3, 99, -1], skipSpecialTokens: true)
        count += 1
      } catch is TokenizationError {}
    }
    #expect(count > 0)
  }

  /// The value with one value within it changed, in every way.
  private static func changes(of value: Any) -> [Any] {
    let others: [Any] = [
      NSNull(), true, -1, 3, 1e300, "", "é<x>", [], [[]], [String: Any](), ["a": ["type": "Sequence"]],
    ]
    switch value {
    case let object as [String: Any]:
      return others
        + object.sorted { $0.key < $1.key }.flatMap { key, member -> [Any] in
          changes(of: member).map { object.merging([key: $0]) { $1 } }
            + [object.filter { $0.key != key }]
        }
    case let array as [Any]:
      return others
        + array.indices.flatMap { index -> [Any] in
          changes(of: array[index]).map { changed -> Any in
            var array = array
            array[index] = changed
            return array
          }
        }
    default: return others
    }
  }

  @Test("bytes that aren't UTF-8, a folder without the file and a path that isn't there are refused by name")
  func unreadable() throws {
    try Fixtures.withFolder { folder in
      let missing = try #require(throws: TokenizationError.self) { try Tokenizer(contentsOf: folder) }
      #expect(missing.file.hasSuffix("/tokenizer.json"))
      let file = folder.appendingPathComponent("tokenizer.json")
      try Data([0x7B, 0xFF, 0x7D]).write(to: file)
      let binary = try #require(throws: TokenizationError.self) { try Tokenizer(contentsOf: folder) }
      #expect(binary.problem.contains("the text is not UTF-8"))
    }
  }

  @Test("a pattern that would run for ever is given up with an error")
  func hostilePattern() throws {
    let tokenizer = try Fixtures.tokenizer(Self.split("(a+)+$"))
    let text = String(repeating: "a", count: 60) + "b"
    let start = ContinuousClock.now
    let error = try #require(throws: TokenizationError.self) { try tokenizer.encode(text) }
    #expect(error.key == "pre_tokenizer.pattern")
    #expect(error.problem.contains("was abandoned"))
    #expect(ContinuousClock.now - start < .seconds(30))
  }
}

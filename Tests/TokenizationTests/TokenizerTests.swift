import Foundation
import Testing

@testable import Tokenization

@Suite("Tokenizer")
struct TokenizerTests {
  private func model(_ model: String, rest: String = "") throws -> Tokenizer {
    try Fixtures.tokenizer(#"{"model": {"type": "BPE", \#(model)}\#(rest)}"#)
  }

  @Test("merges written as pairs are those written as strings")
  func mergeFormats() throws {
    let vocab = #""vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4}"#
    let strings = try model(vocab + #", "merges": ["a b", "ab c"]"#)
    let pairs = try model(vocab + #", "merges": [["a", "b"], ["ab", "c"]]"#)
    for text in ["abc", "abab", "cba", "aabc"] {
      #expect(try strings.encode(text) == pairs.encode(text))
    }
    #expect(try pairs.encode("abcab").ids == [4, 3])
  }

  @Test("canonically equivalent tokens are different tokens")
  func exactKeys() throws {
    let tokenizer = try model(
      #""vocab": {"\u00e9": 0, "e\u0301": 1, "e": 2, "\u0301": 3}, "merges": [["e", "\u0301"]]"#)
    #expect(tokenizer.vocabularySize == 4)
    #expect(tokenizer.id(of: "\u{e9}") == 0)
    #expect(tokenizer.id(of: "e\u{301}") == 1)
    #expect(try tokenizer.encode("\u{e9}e\u{301}").ids == [0, 1])
  }

  @Test("ignore_merges takes a piece whole where the vocabulary has it")
  func ignoreMerges() throws {
    let vocab = #""vocab": {"a": 0, "b": 1, "ab": 2}, "merges": []"#
    #expect(try model(vocab).encode("ab").ids == [0, 1])
    #expect(try model(vocab + #", "ignore_merges": true"#).encode("ab").ids == [2])
  }

  @Test("a character without token becomes unknown, each or fused; without unknown token it is dropped")
  func unknown() throws {
    let vocab = #""vocab": {"<u>": 0, "a": 1}, "merges": []"#
    #expect(try model(vocab + #", "unk_token": "<u>""#).encode("axya").ids == [1, 0, 0, 1])
    #expect(try model(vocab + #", "unk_token": "<u>", "fuse_unk": true"#).encode("axya").ids == [1, 0, 1])
    #expect(try model(vocab).encode("axya").ids == [1, 1])
  }

  @Test("byte_fallback gives each byte's token the whole character's offsets")
  func byteFallback() throws {
    let tokenizer = try model(#""vocab": {"a": 0, "<0xC3>": 1, "<0xA9>": 2}, "merges": [], "byte_fallback": true"#)
    let encoding = try tokenizer.encode("aé")
    #expect(encoding.ids == [0, 1, 2])
    #expect(encoding.offsets == [0..<1, 1..<2, 1..<2])
  }

  @Test(
    "added tokens that tokenizer_config.json lists are found, those of tokenizer.json too where its class takes it whole"
  )
  func addedTokensOfConfiguration() throws {
    try Fixtures.withFolder { folder in
      let file = folder.appendingPathComponent("tokenizer.json")
      let model = #"{"model": {"vocab": {"a": 0}, "merges": []}"#
      func write(_ config: String) throws {
        try Data(config.utf8).write(to: folder.appendingPathComponent("tokenizer_config.json"))
      }
      try write(#"{"added_tokens_decoder": {"1": {"content": "<x>", "special": true}}}"#)
      try Data((model + "}").utf8).write(to: file)
      #expect(try Tokenizer(contentsOf: folder).encode("a<x>a").ids == [0, 1, 0])
      try Data((model + #", "added_tokens": [{"id": 1, "content": "<y>"}]}"#).utf8).write(to: file)
      try write(
        #"{"tokenizer_class": "TokenizersBackend", "added_tokens_decoder": {"2": {"content": "<x>", "special": true}}}"#
      )
      let tokenizer = try Tokenizer(contentsOf: folder)
      #expect(tokenizer.id(of: "<x>") == 2)
      #expect(tokenizer.id(of: "<y>") == 1)
    }
  }

  @Test("ids without a token are skipped in decoding")
  func unknownIDs() throws {
    let tokenizer = try model(#""vocab": {"a": 0}, "merges": []"#, rest: #", "decoder": {"type": "ByteLevel"}"#)
    #expect(tokenizer.decode([0, -1, 5, .max, 0], skipSpecialTokens: true) == "aa")
  }

  @Test("the heap and the short path merge in the same way")
  func mergingWays() throws {
    let tokenizer = try Tokenizer(contentsOf: Fixtures.smallTokenizer)
    let phrase = "circlesquarelargesmallnextbluered"
    // 33 letters go the short way; twice that by the heap, and no merge crosses a seam that 'X' marks.
    let short = try tokenizer.encode(phrase).ids
    let seam = try tokenizer.encode("X").ids
    #expect(try tokenizer.encode(phrase + "X" + phrase + "X" + phrase).ids == short + seam + short + seam + short)
  }
}

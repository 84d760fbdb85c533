import Foundation
import Testing

@testable import Tokenization

/// SmolVLM's and Idefics3's folders: bytes, digits apart, and on some the class GPT2Tokenizer.
@Suite("Folders of the class GPT2Tokenizer")
struct GPT2FolderTests {
  private static var bytes: [String: Any] {
    ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true]
  }
  private static var digits: [String: Any] { ["type": "Digits", "individual_digits": true] }

  private func tokenizer(_ kind: String, preTokenizer: Any, normalizer: Any = NSNull()) throws -> Tokenizer {
    try Fixtures.withFolder { folder in
      var root = try #require(try Fixtures.json("small-tokenizer.json") as? [String: Any])
      root["normalizer"] = normalizer
      root["pre_tokenizer"] = preTokenizer
      for (name, value) in [("tokenizer.json", root), ("tokenizer_config.json", ["tokenizer_class": kind])] {
        try JSONSerialization.data(withJSONObject: value).write(to: folder.appendingPathComponent(name))
      }
      return try Tokenizer(contentsOf: folder)
    }
  }

  @Test("the file is taken whole, digits apart too", arguments: ["GPT2Tokenizer", "GPT2TokenizerFast"])
  func whole(kind: String) throws {
    let pipeline: [String: Any] = ["type": "Sequence", "pretokenizers": [Self.digits, Self.bytes]]
    let tokenizer = try tokenizer(kind, preTokenizer: pipeline)
    let other = try self.tokenizer("PreTrainedTokenizerFast", preTokenizer: pipeline)
    for text in ["12 of 345 cats", "a\n\nb  c", "naïve 7\t8"] {
      #expect(try tokenizer.encode(text) == other.encode(text))
    }
    #expect(try self.tokenizer(kind, preTokenizer: Self.bytes).encode("a b").ids == tokenizer.encode("a b").ids)
  }

  @Test("stages that the class does not have are refused")
  func otherStages() throws {
    let error = try #require(throws: TokenizationError.self) {
      try tokenizer("GPT2Tokenizer", preTokenizer: Self.bytes, normalizer: ["type": "NFC"])
    }
    #expect(error.key == "tokenizer_class" && error.problem.contains("normalizer"), "\(error)")
    #expect(throws: TokenizationError.self) {
      try tokenizer(
        "GPT2Tokenizer",
        preTokenizer: ["type": "Split", "pattern": ["Regex": "a"], "behavior": "Isolated", "invert": false]
          as [String: Any])
    }
  }
}

import Foundation
import Testing

@testable import Tokenization

@Suite("Agreement with the tokenizers library, stage by stage")
struct StageGoldenTests {
  struct Variant: Sendable, CustomTestStringConvertible {
    let name: String
    /// tokenizer.json.
    let file: Data
    let texts: [String]
    let ids: [[Int32]]
    let offsets: [[Int]]
    let decoded: [String]
    var testDescription: String { name }
  }

  static func variants() throws -> [Variant] {
    let root = try #require(try Fixtures.json("stages.json") as? [String: Any])
    let texts = try #require(root["texts"] as? [String])
    let base = try #require(try Fixtures.json("small-tokenizer.json") as? [String: Any])
    return try #require(root["variants"] as? [[String: Any]]).map { variant in
      let change = try #require(variant["change"] as? [String: Any])
      let cases = try #require(variant["cases"] as? [[Any]])
      return Variant(
        name: try #require(variant["name"] as? String),
        file: try JSONSerialization.data(withJSONObject: base.merging(change) { $1 }), texts: texts,
        ids: try cases.map { try #require($0[0] as? [Int]).map(Int32.init) },
        offsets: try cases.map { try #require($0[1] as? [Int]) },
        decoded: try cases.map { try #require($0[2] as? String) })
    }
  }

  @Test("ids, offsets and decoded texts are exactly the library's", arguments: try variants())
  func agreement(_ variant: Variant) throws {
    let tokenizer = try Fixtures.tokenizer(String(decoding: variant.file, as: UTF8.self))
    for (index, text) in variant.texts.enumerated() {
      let encoding = try tokenizer.encode(text)
      let shown = text.unicodeScalars.map { $0.escaped(asASCII: true) }.joined()
      #expect(encoding.ids == variant.ids[index], "ids of \(shown)")
      #expect(encoding.flatOffsets == variant.offsets[index], "offsets of \(shown)")
      let decoded = tokenizer.decode(variant.ids[index].map(Int.init), skipSpecialTokens: true)
      #expect(sameBytes(decoded, variant.decoded[index]), "decoded text of \(shown)")
    }
  }
}

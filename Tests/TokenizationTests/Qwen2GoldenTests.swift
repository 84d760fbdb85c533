import Foundation
import JSON
import Testing

@testable import Tokenization

@Suite("Agreement with the tokenizers library on the real Qwen2 vocabulary")
struct Qwen2GoldenTests {
  private struct Golden {
    let text: String
    let ids: [Int32]
    let offsets: [Int]
    let decoded: String
  }

  private func goldens() throws -> [Golden] {
    let rows = try #require(try Fixtures.json("qwen2-strings.json") as? [[Any]])
    return try rows.map { row in
      let text = try #require(row[0] as? String)
      return Golden(
        text: text, ids: try #require(row[1] as? [Int]).map(Int32.init), offsets: try #require(row[2] as? [Int]),
        decoded: row.count > 3 ? try #require(row[3] as? String) : text)
    }
  }

  @Test("ids and offsets of at least 2,000 texts are exactly the library's")
  func agreement() throws {
    let tokenizer = try Fixtures.qwen2()
    let goldens = try goldens()
    #expect(goldens.count >= 2000)
    var wrong = 0
    for golden in goldens {
      let encoding = try tokenizer.encode(golden.text)
      guard encoding.ids != golden.ids || encoding.flatOffsets != golden.offsets else { continue }
      wrong += 1
      if wrong <= 10 {
        Issue.record(
          """
          \(golden.text.unicodeScalars.prefix(80).map { $0.escaped(asASCII: true) }.joined()):
          ids \(encoding.ids.prefix(40)) instead of \(golden.ids.prefix(40)),
          offsets \(encoding.flatOffsets.prefix(40)) instead of \(golden.offsets.prefix(40))
          """)
      }
    }
    #expect(wrong == 0, "\(wrong) of \(goldens.count) texts differ")
  }

  @Test("decoded texts are exactly the library's, special tokens left out")
  func decoding() throws {
    let tokenizer = try Fixtures.qwen2()
    for golden in try goldens() {
      let decoded = tokenizer.decode(golden.ids.map(Int.init), skipSpecialTokens: true)
      #expect(sameBytes(decoded, golden.decoded))
    }
  }

  @Test("a text in normal form C comes back from encoding and decoding unchanged, special tokens and all")
  func roundTrip() throws {
    let tokenizer = try Fixtures.qwen2()
    for golden in try goldens() {
      let normal = String(
        decoding: AlignedText(golden.text).normalized(.nfc).bytes, as: UTF8.self)
      let ids = try tokenizer.encode(normal).ids.map(Int.init)
      #expect(sameBytes(tokenizer.decode(ids, skipSpecialTokens: false), normal))
    }
  }

  @Test("the vocabulary has its 151,657 tokens, and the special ones their published ids")
  func vocabulary() throws {
    let tokenizer = try Fixtures.qwen2()
    #expect(tokenizer.vocabularySize == 151_657)
    #expect(tokenizer.id(of: "<|endoftext|>") == 151_643)
    #expect(tokenizer.id(of: "<|image_pad|>") == 151_655)
    #expect(tokenizer.id(of: "Ġphoto").flatMap(tokenizer.token) == "Ġphoto")
    #expect(tokenizer.id(of: "no such token") == nil)
    #expect(tokenizer.token(of: 151_657) == nil)
  }

  @Test("one word of 100,000 letters is no problem")
  func longWord() throws {
    let tokenizer = try Fixtures.qwen2()
    var state: UInt32 = 1
    let letters = (0..<100_000).map { _ -> Character in
      state = state &* 1_664_525 &+ 1_013_904_223
      return Character(Unicode.Scalar(UInt8(97 + state >> 24 % 26)))
    }
    let word = String(letters)
    let start = ContinuousClock.now
    let encoding = try tokenizer.encode(word)
    #expect(ContinuousClock.now - start < .seconds(20))
    #expect(encoding.offsets.last?.upperBound == 100_000)
    #expect(tokenizer.decode(encoding.ids.map(Int.init), skipSpecialTokens: false) == word)
  }

  @Test("reading the vocabulary takes under 10 s and a sentence, once warm, under 5 ms, even on a busy machine")
  func speed() throws {
    _ = try Fixtures.qwen2()
    let reading = try ContinuousClock().measure { _ = try Tokenizer(contentsOf: Fixtures.qwen2File) }
    let tokenizer = try Fixtures.qwen2()
    let sentence = "A photo of a large red circle next to a small blue square, on the left of the image."
    _ = try tokenizer.encode(sentence)
    // The best of some: other work on the machine isn't the tokenizer's.
    let encoding = try (0..<20).map { _ in
      try ContinuousClock().measure { for _ in 0..<50 { _ = try tokenizer.encode(sentence) } } / 50
    }.min()
    print("Tokenization: vocabulary read in \(reading), a sentence encoded in \(encoding ?? .zero)")
    #if !DEBUG
      #expect(reading < .seconds(10))
      #expect(try #require(encoding) < .milliseconds(5))
    #endif
  }

  @Test("many threads at once get what one gets")
  func threads() async throws {
    let tokenizer = try Fixtures.qwen2()
    let texts = try goldens().prefix(300).map(\.text)
    let expected = try texts.map { try tokenizer.encode($0) }
    try await withThrowingTaskGroup(of: [Tokenization.Encoding].self) { group in
      let fresh = try Tokenizer(contentsOf: Fixtures.qwen2File)
      for _ in 0..<8 { group.addTask { try texts.map { try fresh.encode($0) } } }
      for try await encodings in group { #expect(encodings == expected) }
    }
  }
}

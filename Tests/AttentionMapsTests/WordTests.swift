import Testing

@testable import AttentionMaps

@Suite("Words and their tokens")
struct WordTests {
  private func words(_ text: String, _ spans: [Range<Int>]) -> [String] {
    Word.words(of: text, spans: spans).map { "\($0.text) \($0.tokens)" }
  }

  @Test("a word has the tokens that overlap it, whether they take the space before it or not")
  func tokens() {
    #expect(words("a brown dog", [0..<1, 1..<4, 4..<7, 7..<11]) == ["a [0]", "brown [1, 2]", "dog [3]"])
    #expect(words("a dog.", [0..<1, 2..<5, 5..<6]) == ["a [0]", "dog. [1, 2]"])
  }

  @Test("a token in two words is in both; one of white space alone in none")
  func shared() {
    #expect(words("no one  else", [0..<6, 6..<8, 8..<12]) == ["no [0]", "one [0]", "else [2]"])
  }

  @Test("characters count as Unicode scalars, and tokens that share one are in the same word")
  func scalars() {
    #expect(words("e\u{301}té ☕", [0..<2, 2..<4, 5..<6, 5..<6]) == ["e\u{301}té [0, 1]", "☕ [2, 3]"])
  }

  @Test("tokens are shown without the blanks around them, and one of nothing else by a sign")
  func tokensByThemselves() {
    #expect(
      Word.tokens(["a", " brown", " ", ""]).map { "\($0.text) \($0.tokens)" } == [
        "a [0]", "brown [1]", "␣ [2]", "␣ [3]",
      ])
  }

  /// Pieces of UTF-8 as a byte-level tokenizer decodes them: an incomplete character becomes U+FFFD.
  private func spans(_ pieces: [[UInt8]]) -> [Range<Int>] {
    SpokenText.spans(of: pieces.indices.map(Int32.init)) { ids in
      String(decoding: ids.flatMap { pieces[Int($0)] }, as: UTF8.self)
    }
  }

  @Test("an answer's token has the characters that the text grows by; parts of one character all have it")
  func spans() {
    #expect(spans([Array("a".utf8), Array(" dog".utf8), [], Array(".".utf8)]) == [0..<1, 1..<5, 5..<5, 5..<6])
    let cup = Array("☕".utf8)
    #expect(
      spans([Array("a ".utf8), [cup[0]], [cup[1]], [cup[2]], Array("!".utf8)]) == [0..<2, 2..<3, 2..<3, 2..<3, 3..<4])
    #expect(spans([]) == [])
  }
}

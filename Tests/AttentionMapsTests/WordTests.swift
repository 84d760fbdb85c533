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
}

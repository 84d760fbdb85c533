import Foundation

/// A part of a text that is drawn by itself, and its tokens: a word, or one token.
struct Word: Equatable {
  let text: String
  /// Places among the text's tokens, ascending; at least one. A token that reaches into two words is in both.
  let tokens: [Int]

  /// The words, delimited by white space.
  ///
  /// - Parameter spans: the characters of each token, in Unicode scalars of the text.
  static func words(of description: String, spans: [Range<Int>]) -> [Word] {
    let scalars = Array(description.unicodeScalars)
    var words: [Word] = []
    var start = 0
    for end in 0...scalars.count where end == scalars.count || scalars[end].properties.isWhitespace {
      let tokens = spans.indices.filter { spans[$0].overlaps(start..<end) }
      if !tokens.isEmpty {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars[start..<end])
        words.append(Word(text: String(text), tokens: tokens))
      }
      start = end + 1
    }
    return words
  }

  /// Each token by itself, as it can be seen: without the blanks around it, and a sign for nothing else.
  static func tokens(_ texts: [String]) -> [Word] {
    texts.enumerated().map { index, text in
      let seen = text.trimmingCharacters(in: .whitespacesAndNewlines)
      return Word(text: seen.isEmpty ? "␣" : seen, tokens: [index])
    }
  }
}

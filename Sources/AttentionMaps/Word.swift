/// A word of a description, delimited by white space, and its tokens.
struct Word: Equatable {
  let text: String
  /// Places among the description's tokens, ascending; at least one. A token that reaches into two words is in both.
  let tokens: [Int]

  /// - Parameter spans: the characters of each token, in Unicode scalars of the description.
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
}

/// The tokens of many captions, one after the other.
struct TokenizedTexts: Sendable {
  private var tokens: [Int32] = []
  private var starts = [0]
  /// The words of those captions in which they aren't the tokens.
  private var otherWords: [Int: [Int32]] = [:]

  var count: Int { starts.count - 1 }

  /// - Parameter captions: in the order in which coco-caption would hand them to its tokenizer.
  init(_ captions: [String], _ tokenizer: inout PTBTokenizer) {
    starts.reserveCapacity(captions.count + 1)
    for i in captions.indices {
      tokenizer.append(captions, i, to: &tokens)
      let own = tokens[starts[i]...]
      if !tokenizer.wordsOfSpaced.isEmpty, own.contains(where: { tokenizer.wordsOfSpaced[$0] != nil }) {
        otherWords[i] = own.flatMap { tokenizer.wordsOfSpaced[$0] ?? [$0] }
      }
      starts.append(tokens.count)
    }
  }

  /// The tokens of a caption, as ROUGE-L sees them.
  func tokens(_ caption: Int) -> ArraySlice<Int32> { tokens[starts[caption]..<starts[caption + 1]] }

  /// The tokens of a caption cut at every space, as BLEU and CIDEr see them.
  func words(_ caption: Int) -> ArraySlice<Int32> { otherWords[caption].map { $0[...] } ?? tokens(caption) }

  /// How often each n-gram of words occurs in each caption.
  func counts(_ table: inout NGramTable) -> NGramCounts {
    var counts = NGramCounts()
    for caption in 0..<count { counts.append(words(caption), &table) }
    return counts
  }

  /// The tokens of a caption joined by spaces.
  func text(_ caption: Int, _ tokenizer: PTBTokenizer) -> String {
    tokens(caption).map { tokenizer.text(of: $0) }.joined(separator: " ")
  }
}

import Tokenization

/// One sample's tokens: the rendered chat with the image placeholder expanded to the visual tokens.
public struct TokenSequence: Sendable, Equatable {
  /// - Shape: [T].
  public let ids: [Int32]
  /// [VIS]: the positions of the visual tokens.
  public let visual: Range<Int>
  /// [CAP]: the positions of the tokens whose characters overlap the description, ascending.
  public let caption: [Int]
  /// For each of them the characters of the description that it covers, in Unicode scalars. Tokens that share a character
  /// both cover it.
  public let captionSpans: [Range<Int>]

  public init(ids: [Int32], visual: Range<Int>, caption: [Int], captionSpans: [Range<Int>]) {
    precondition(captionSpans.count == caption.count)
    self.ids = ids
    self.visual = visual
    self.caption = caption
    self.captionSpans = captionSpans
  }

  /// The same with more tokens behind it: an answer as it grows.
  public func appending(_ more: [Int32]) -> TokenSequence {
    TokenSequence(ids: ids + more, visual: visual, caption: caption, captionSpans: captionSpans)
  }

  /// The rows that predict the supervised tokens: the description's and the end-of-turn token after it, where there is one.
  /// They are the last rows that training needs; what follows is seen by none of them.
  public var predictingRows: Range<Int> {
    guard let first = caption.first, let last = caption.last else { return 0..<0 }
    return first - 1..<min(last + 1, ids.count - 1)
  }

  /// What these rows should predict.
  public var supervised: [Int32] { predictingRows.map { ids[$0 + 1] } }
}

extension TokenSequence {
  /// Tokens of a rendered chat, the image's one token repeated for every visual token.
  ///
  /// - Throws: `TokenizationError`, or `ConfigurationError` where the image isn't one token of the tokenizer.
  init(
    _ chat: RenderedChat, by tokenizer: Tokenizer, imageToken: Int32, visualTokens: Int, placeholder: String
  ) throws {
    let encoding = try tokenizer.encode(chat.text)
    let image = encoding.ids.indices.first { index in
      encoding.ids[index] == imageToken && encoding.offsets[index].overlaps(chat.image)
    }
    guard let image else {
      throw ConfigurationError(
        path: "tokenizer.json", key: "added_tokens", reason: "doesn't keep \(placeholder) as one token")
    }
    let expansion = visualTokens - 1
    let description = chat.description
    let caption = encoding.offsets.indices.filter { index in
      let span = encoding.offsets[index]
      return span.lowerBound < description.upperBound && span.upperBound > description.lowerBound
    }
    let ids =
      encoding.ids[..<image] + [Int32](repeating: imageToken, count: visualTokens) + encoding.ids[(image + 1)...]
    self.init(
      ids: Array(ids), visual: image..<image + visualTokens, caption: caption.map { $0 > image ? $0 + expansion : $0 },
      captionSpans: caption.map { index in
        let span = encoding.offsets[index].clamped(to: description)
        return span.lowerBound - description.lowerBound..<span.upperBound - description.lowerBound
      })
  }
}

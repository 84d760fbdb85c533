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

  /// The rows that predict the supervised tokens: the description's and the end-of-turn token after it. They are the last
  /// rows that training needs; what follows is seen by none of them.
  public var predictingRows: Range<Int> {
    guard let first = caption.first, let last = caption.last else { return 0..<0 }
    return first - 1..<last + 1
  }

  /// What these rows should predict.
  public var supervised: [Int32] { predictingRows.map { ids[$0 + 1] } }
}

/// A rendered chat, and where the description stands in it.
public struct RenderedChat: Sendable, Equatable {
  public let text: String
  /// In Unicode scalars of `text`.
  public let description: Range<Int>
}

import Tokenization

/// One sample's tokens: the rendered chat with the image's tokens in the placeholder's place.
public struct TokenSequence: Sendable, Equatable {
  /// - Shape: [T].
  public let ids: [Int32]
  /// The positions of the image tokens: the rows of the image's features, in order.
  public let image: TokenRanges
  /// [VIS]: those of them that stand for a part of the image.
  public let visual: TokenRanges
  /// How the positions of the image tokens are counted.
  public let positions: VisualPositions
  /// [CAP]: the positions of the tokens whose characters overlap the description, ascending.
  public let caption: [Int]
  /// For each of them the characters of the description that it covers, in Unicode scalars. Tokens that share a character
  /// both cover it.
  public let captionSpans: [Range<Int>]
  /// How many tokens come before the answer; all of a question's.
  public let answerStart: Int

  /// - Parameter answerStart: nil for where the description begins.
  public init(
    ids: [Int32], image: TokenRanges, visual: TokenRanges, positions: VisualPositions, caption: [Int],
    captionSpans: [Range<Int>], answerStart: Int? = nil
  ) {
    precondition(captionSpans.count == caption.count)
    self.ids = ids
    self.image = image
    self.visual = visual
    self.positions = positions
    self.caption = caption
    self.captionSpans = captionSpans
    self.answerStart = answerStart ?? caption.first ?? ids.count
  }

  /// The same with more tokens behind it: an answer as it grows.
  public func appending(_ more: [Int32]) -> TokenSequence {
    TokenSequence(
      ids: ids + more, image: image, visual: visual, positions: positions, caption: caption,
      captionSpans: captionSpans, answerStart: answerStart)
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

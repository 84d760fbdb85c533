/// One sample's tokens: the rendered chat with the image placeholder expanded to the visual tokens.
public struct TokenSequence: Sendable, Equatable {
  /// - Shape: [T].
  public let ids: [Int32]
  /// [VIS]: the positions of the visual tokens.
  public let visual: Range<Int>
  /// [CAP]: the positions of the tokens whose characters overlap the description, ascending.
  public let caption: [Int]

  public init(ids: [Int32], visual: Range<Int>, caption: [Int]) {
    self.ids = ids
    self.visual = visual
    self.caption = caption
  }
}

/// A rendered chat, and where the description stands in it.
public struct RenderedChat: Sendable, Equatable {
  public let text: String
  /// In Unicode scalars of `text`.
  public let description: Range<Int>
}

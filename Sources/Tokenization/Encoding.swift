/// A text's tokens.
public struct Encoding: Sendable, Equatable {
  /// Token ids.
  /// - Shape: [T]
  public let ids: [Int32]
  /// For each token the characters it stands for, in Unicode scalars (Python's characters, not Swift's) of the text
  /// as it was given, before normalisation. Tokens that share a character both cover it.
  /// - Shape: [T]
  public let offsets: [Range<Int>]

  public init(ids: [Int32], offsets: [Range<Int>]) {
    self.ids = ids
    self.offsets = offsets
  }
}

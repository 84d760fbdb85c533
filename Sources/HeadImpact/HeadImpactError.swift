import IO

/// Why something given to Head Impact can't be used: what, where, and what would be right.
public struct HeadImpactError: Error, CustomStringConvertible, Equatable, Sendable {
  public let description: String

  public init(_ description: String) { self.description = description }
}

/// Why one sample can't be scored, while the rest of the dataset can.
public enum UnusableSample: ContentFault, CustomStringConvertible, Equatable, Sendable {
  /// The object's mask touches no visual token's cell.
  case maskTouchesNoVisualToken
  /// The model's attention on it is not finite. `head` is counted over all layers.
  case attentionNotFinite(head: Int, visualToken: Int, score: Float)

  public var description: String {
    switch self {
    case .maskTouchesNoVisualToken: "the object's mask does not touch the cell of any visual token"
    case .attentionNotFinite(let head, let token, let score):
      "head \(head) (counted over all layers) gives visual token \(token) the attention score \(score): it must be finite. "
        + "Are the model's weights intact?"
    }
  }
}

/// Why something given to Head Impact can't be used: what, where, and what would be right.
public struct HeadImpactError: Error, CustomStringConvertible, Equatable, Sendable {
  public let description: String

  public init(_ description: String) { self.description = description }
}

/// Why one sample can't be scored, while the rest of the dataset can.
public enum UnusableSample: Error, CustomStringConvertible, Equatable, Sendable {
  /// The object's mask touches no visual token's cell.
  case maskTouchesNoVisualToken

  public var description: String {
    switch self {
    case .maskTouchesNoVisualToken: "the object's mask touches the cell of no visual token"
    }
  }
}

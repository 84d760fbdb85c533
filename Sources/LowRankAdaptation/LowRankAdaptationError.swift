/// What is wrong with an adapter or with what is asked of one, and what would be right.
public struct LowRankAdaptationError: Error, CustomStringConvertible, Equatable {
  public let description: String

  public init(_ description: String) { self.description = description }
}

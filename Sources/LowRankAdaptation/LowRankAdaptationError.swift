/// Why something asked of an adapter can't be done: what, where, and what would be right.
public struct LowRankAdaptationError: Error, CustomStringConvertible, Equatable, Sendable {
  public let description: String

  public init(_ description: String) { self.description = description }
}

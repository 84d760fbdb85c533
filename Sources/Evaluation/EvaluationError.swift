/// Why results can't be evaluated: what is wrong, where, and what would be right.
public struct EvaluationError: Error, CustomStringConvertible, Equatable, Sendable {
  public let description: String

  public init(_ description: String) { self.description = description }
}

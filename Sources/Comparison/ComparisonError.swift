/// Why runs can't be compared: which, and what would be right.
public struct ComparisonError: Error, CustomStringConvertible, Equatable, Sendable {
  public let description: String

  public init(_ description: String) { self.description = description }
}

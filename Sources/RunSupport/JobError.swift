/// Why a job can't begin or continue: what is wrong, where, and what would be right.
public struct JobError: Error, CustomStringConvertible, Equatable {
  public let description: String

  public init(_ description: String) { self.description = description }
}

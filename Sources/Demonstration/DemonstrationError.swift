/// An error of the demonstration.
public struct DemonstrationError: Error, CustomStringConvertible, Equatable {
  /// What is wrong, and what would be right.
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}

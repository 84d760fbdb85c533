import IO

/// What is wrong with a tokenizer file, or with a text for its tokenizer.
public struct TokenizationError: ContentFault, CustomStringConvertible, Equatable {
  /// Path of the file at fault (of the tokenizer's file where a text is).
  public let file: String
  /// The place in the file, as `model.merges[12]`; nil if the whole file is meant.
  public let key: String?
  /// What is wrong, and what would be right.
  public let problem: String

  public init(file: String, key: String? = nil, problem: String) {
    self.file = file
    self.key = key
    self.problem = problem
  }

  public var description: String {
    guard let key else { return "\(file): \(problem)" }
    return "\(file): \(key): \(problem)"
  }
}

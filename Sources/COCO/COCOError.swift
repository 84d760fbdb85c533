import IO

/// What is wrong with a COCO file or one of its masks, and where.
public struct COCOError: ContentFault, CustomStringConvertible, Equatable, Sendable {
  /// The file as the user named it; nil if a value did not come from a file.
  public let file: String?
  /// The place inside the file, such as `annotations[3].segmentation`; empty for the whole.
  public let jsonPath: String
  /// What is wrong and what would be right.
  public let problem: String

  public init(file: String? = nil, jsonPath: String = "", problem: String) {
    self.file = file
    self.jsonPath = jsonPath
    self.problem = problem
  }

  public var description: String {
    [file, jsonPath.isEmpty ? nil : jsonPath, problem].compactMap { $0 }.joined(separator: ": ")
  }
}

/// Everything that is wrong with an adapter folder, in one error.
public struct PEFTError: Error, CustomStringConvertible, Equatable, Sendable {
  public let folder: String
  public let problems: [String]

  init(_ folder: String, _ problems: [String]) {
    self.folder = folder
    self.problems = problems
  }

  public var description: String {
    if problems.count == 1 { return "\(folder): \(problems[0])" }
    let shown = problems.prefix(20).map { "\n  " + $0 }.joined()
    let more = problems.count > 20 ? "\n  and \(problems.count - 20) more" : ""
    return "\(folder): the adapter can't be used:\(shown)\(more)"
  }
}

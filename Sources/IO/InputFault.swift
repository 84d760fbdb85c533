import Foundation

/// An error in the content of an input: a broken picture, an empty mask, a description without tokens. The sample that
/// needs it can't be used, and trying again gives the same. Jobs skip such a sample; every other error stops the run.
public protocol ContentFault: Error {}

/// An error of the machine rather than of the data: a folder that is not mounted, a read error, a missing permission,
/// too many open files. Nothing may be concluded about the sample, so a job stops and records nothing.
public struct EnvironmentFault: Error, CustomStringConvertible, Equatable, Sendable {
  public let path: String
  /// What could not be done: "opened", "read".
  public let operation: String
  /// The value of `errno`.
  public let code: Int32

  public init(path: String, operation: String, code: Int32) {
    self.path = path
    self.operation = operation
    self.code = code
  }

  public var description: String { "\(path): \(reason)" }

  /// What is wrong, without the name.
  public var reason: String { "can't be \(operation): \(errnoText(code))" }
}

/// A file that is missing from an existing folder with other files.
public struct MissingFile: ContentFault, CustomStringConvertible, Equatable, Sendable {
  public let path: String
  /// The link's target; nil if the name is not a link.
  public let linkTarget: String?
  public var description: String { "\(path): \(reason)" }

  /// What is wrong, without the name.
  public var reason: String {
    guard let linkTarget else { return "there is no such file" }
    return "is a link to \(linkTarget), which does not exist: was a download interrupted, or the link's target moved?"
  }

  public init(path: String, linkTarget: String? = nil) {
    self.path = path
    self.linkTarget = linkTarget
  }
}

/// A folder where a file is expected: whoever gives its name means something else.
public struct FolderForFile: ContentFault, CustomStringConvertible, Equatable, Sendable {
  public let path: String
  public var description: String { "\(path): \(reason)" }
  public var reason: String { "is a folder; it can't be read as a file" }

  public init(path: String) { self.path = path }
}

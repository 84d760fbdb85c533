import Foundation

/// Where the tests' own data lies.
public enum Repository {
  /// The repository's root, from where this file was compiled.
  public static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
}

/// Real pictures, annotations and captions, with what other people's programs made of them, and cases of public bug reports.
/// The folder lies beside the repository on some machines. Tests that need it are skipped where it doesn't, with
/// `absence` as the reason; in CI they run all the same, and fail.
public enum SharedData {
  public static let absence = "the shared data folder is not beside the repository"

  public static func file(_ path: String) -> URL {
    Repository.root.appendingPathComponent("../shared/data").appendingPathComponent(path).standardizedFileURL
  }

  /// Whether a test that needs this file or folder runs: where it is there, and always in CI.
  public static func has(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: file(path).path) || ProcessInfo.processInfo.environment["CI"] != nil
  }
}

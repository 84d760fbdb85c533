import Foundation
import TestSupport
import Testing

extension CommandLineSuite {
  @Suite("Experiment files")
  struct ExperimentFilesTests {
    private static let folder = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("experiments")

    private static func names() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }.sorted()
    }

    @Test(
      "the repository's experiments are right, and --check writes a file that asks for the same",
      arguments: try names())
    func check(name: String) async throws {
      try #require(try Self.names().count >= 9)
      let checked = try await headimpact("experiment", Self.folder.appendingPathComponent(name).path, "--check")
      try #require(checked.exitCode == 0, "\(checked.standardError)")
      try await ScratchFolder.with { scratch in
        let written = scratch.file("written.yaml")
        try Data(checked.standardOutput.utf8).write(to: written)
        let again = try await headimpact("experiment", written.path, "--check")
        #expect(again.standardOutput == checked.standardOutput, "\(again.standardError)")
      }
    }
  }
}

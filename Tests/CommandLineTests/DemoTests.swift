import Foundation
import TestSupport
import Testing

extension CommandLineSuite {
  @Suite("demo")
  struct DemoTests {
    @Test("a folder that can't be made exits with 1 and is named")
    func unwritable() async throws {
      try await ScratchFolder.with { scratch in
        let file = scratch.file("file")
        try Data().write(to: file)
        let run = try await headimpact("demo", "--output", file.appendingPathComponent("demo").path)
        #expect(run.exitCode == 1)
        #expect(run.standardError.contains(file.path), "\(run.standardError)")
      }
    }
  }
}

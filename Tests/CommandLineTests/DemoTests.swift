import Foundation
import TestSupport
import Testing

extension CommandLineSuite {
  @Suite("demo", .enabled(if: hasDemoModel, "the demonstration model isn't in this build's resources"))
  struct DemoTests {
    @Test("what demo writes is scored on two ranks, and layers are chosen from it")
    func scored() async throws {
      try await ScratchFolder.with { scratch in
        let folder = scratch.file("demo")
        let demo = try await headimpact("demo", "--output", folder.path, "--scenes", "3")
        try #require(demo.exitCode == 0, "\(demo.standardError)")
        let refused = try await headimpact("demo", "--output", folder.path, "--scenes", "3")
        #expect(refused.exitCode == 1 && refused.standardError.contains("--overwrite"), "\(refused.standardError)")
        let output = scratch.file("hi.h5")
        let score = try await headimpact(
          "score", "--model", "\(folder.path)/model", "--dataset", "\(folder.path)/dataset/keyobjects.json", "--images",
          "\(folder.path)/dataset/images", "--output", output.path, "--quiet", ranks: 2)
        try #require(score.exitCode == 0, "\(score.standardError)")
        #expect(score.standardOutput.contains("3 samples, 8 layers x 8 heads"), "\(score.standardOutput)")
        #expect(try await headimpact("select", output.path).exitCode == 0)
      }
    }

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

private var hasDemoModel: Bool {
  let model = MPIRun.productFolder.appendingPathComponent("headimpact_Demonstration.resources/Model/config.json")
  return FileManager.default.fileExists(atPath: model.path)
}

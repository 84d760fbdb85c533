import Foundation
import TestSupport
import Testing

extension CommandLineSuite {
  @Suite("Scripts for clusters")
  struct DeployTests {
    /// A folder with programs that stand for a cluster's: `mpirun` starts what follows its options.
    private func programs(_ scratch: ScratchFolder) throws -> URL {
      let folder = scratch.file("bin")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let mpirun = folder.appendingPathComponent("mpirun")
      try Data("#!/bin/bash\nwhile [ \"$1\" != headimpact ]; do shift; done\nexec \"$@\"\n".utf8).write(to: mpirun)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: mpirun.path)
      try FileManager.default.createSymbolicLink(
        at: folder.appendingPathComponent("headimpact"),
        withDestinationURL: MPIRun.productFolder.appendingPathComponent("headimpact"))
      return folder
    }

    @Test("score.slurm works when resubmitted, after a kill, and after it has finished")
    func score() async throws {
      try await ScratchFolder.with { scratch in
        let tiny = TinyCase.nested
        let output = scratch.file("results/hi.h5")
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let environment = [
          "MODEL": tiny.model.path, "DATASET": tiny.dataset.path, "IMAGES": tiny.images.path, "OUTPUT": output.path,
          "PATH": "\(try programs(scratch).path):\(path)",
        ]
        func submit() async throws -> MPIRun {
          try await MPIRun.run(
            ["bash", Repository.root.appendingPathComponent("deploy/score.slurm").path], timeout: 120,
            environment: environment)
        }
        for attempt in ["the first", "finished", "after a kill"] {
          if attempt == "after a kill" {
            try FileManager.default.removeItem(at: output)
            // The first bytes of a journal are all that the run wrote.
            try Data("HIJOUR".utf8).write(to: output.appendingPathExtension("journal"))
          }
          let run = try await submit()
          #expect(run.exitCode == 0, "\(attempt): \(run.standardError)")
          #expect(run.standardOutput.contains("already finished") == (attempt == "finished"), "\(run.standardOutput)")
          #expect(run.standardOutput.contains("layer"), "\(run.standardOutput)")
          #expect(FileManager.default.fileExists(atPath: output.path))
        }
      }
    }
  }
}

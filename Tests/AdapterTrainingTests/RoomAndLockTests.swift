import Foundation
import RunSupport
import TestSupport
import Testing

extension TrainingRuns {
  @Suite("Room and locks")
  struct RoomAndLocks {
    @Test("a disk that is full at a checkpoint is a warning: the run goes on, and fails where its adapter has no room")
    func fullDisk() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("adapter")
        let run = try await run(
          short(output, ["--checkpoint-every", "1"]),
          prefix: ["sh", "-c", "ulimit -f 16; trap '' XFSZ; exec \"$@\"", "sh"])
        #expect(run.exitCode == 1)
        let warnings = run.standardError.components(separatedBy: "the checkpoint can't be written").count - 1
        #expect(warnings == 6 && run.standardError.contains("is in memory only"), "\(run.standardError)")
        #expect(run.standardError.contains("could not be kept either; there is no checkpoint"), "\(run.standardError)")
        let left = (try? FileManager.default.contentsOfDirectory(atPath: output.path + ".training")) ?? []
        #expect(left.isEmpty, "\(left)")
        #expect(!FileManager.default.fileExists(atPath: output.path))
      }
    }

    @Test("an adapter that can't be written at the end is kept as a checkpoint, and --resume only writes it")
    func noPlaceAtTheEnd() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("adapter")
        // While it trains, somebody puts a folder with a file of their own in its place.
        let more = ["--checkpoint-every", "2"]
        let blocked = try await run(
          short(output, more, steps: 300), ranks: 2,
          prefix: Meanwhile.prefix(
            when: checkpoint(of: output),
            do: "mkdir '\(output.path)'; touch '\(output.path)/mine'"))
        #expect(blocked.exitCode == 1)
        for word in ["mine", "Everything trained is kept in \(output.path).training/checkpoint-00000300", "--resume"] {
          #expect(blocked.standardError.contains(word), "\(blocked.standardError)")
        }
        try FileManager.default.removeItem(at: output)
        try await succeed(short(output, more + ["--resume"], steps: 300))
        try await succeed(short(scratch.file("whole"), steps: 300))
        #expect(try weights(output) == weights(scratch.file("whole")))
        #expect(try scratch.names == ["adapter", "whole"])
      }
    }

    @Test("two trainings on one output: the second is refused, and the first isn't disturbed", arguments: [nil, 2])
    func twoAtOnce(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("adapter")
        let lock = try RunLock(for: output, resumes: false)
        for more in [[], ["--resume"]] {
          try await fail(
            short(output, ["--lr", "1"] + more), ranks: ranks, saying: "\(output.path): another run is writing to it",
            "process \(getpid())")
        }
        #expect(try scratch.names == ["adapter.lock"])
        lock.release()
        try await succeed(short(output), ranks: ranks)
        #expect(try scratch.names == ["adapter"])
      }
    }

    @Test("checkpoints are also written by time, and no room for any is found before the first step")
    func byTime() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("adapter")
        // The loss of its second step is no number.
        try await fail(short(output, ["--lr", "1e30", "--clip", "0", "--checkpoint-minutes", "0"]), saying: "step ")
        #expect(FileManager.default.fileExists(atPath: output.path + ".training"))
        try FileManager.default.removeItem(atPath: output.path + ".training")
        let watched =
          "(for i in $(seq 4000); do ls \(output.path).training/checkpoint-* >/dev/null 2>&1 && break; sleep 0.005; done; "
          + "ls \(output.path).training >&2) & \"$@\"; wait"
        let run = try await run(
          short(output, ["--checkpoint-minutes", "0.0001"], steps: 100), prefix: ["sh", "-c", watched, "sh"])
        #expect(run.standardError.contains("checkpoint-"), "\(run.standardError)")
      }
    }
  }
}

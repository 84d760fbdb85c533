import Foundation
import TestSupport
import Testing

/// Each launches `mpi-cases`; the job is in Tests/mpi-cases/UnitJobCase.swift.
@Suite("Unit job on several ranks")
struct UnitJobRanksTests {
  private func run(_ folder: URL, _ more: String..., ranks: Int?) async throws -> MPIRun {
    try await MPIRun.launch("mpi-cases", ["unit-job", folder.path] + more, ranks: ranks)
  }

  private func prepare(_ scratch: ScratchFolder) throws {
    try FileManager.default.createDirectory(at: scratch.file("images"), withIntermediateDirectories: true)
    try Data([1]).write(to: scratch.file("images/1.png"))
  }

  @Test("a run with a failed rank continues on others, with the bytes of one rank")
  func resumed() async throws {
    try await ScratchFolder.with { scratch in
      try prepare(scratch)
      let output = scratch.file("squares.txt")
      #expect(try await run(scratch.url, "-1", ranks: nil).exitCode == 0)
      let whole = try Data(contentsOf: output)
      try FileManager.default.removeItem(at: output)

      let failed = try await run(scratch.url, "5", ranks: 3)
      #expect(failed.exitCode != 0)
      #expect(failed.standardError.contains(/rank [12]: host [^ ]+: the node goes down/), "\(failed.standardError)")
      // Rank 0 was killed, so its lock is still there; the next run sees that its process is gone.
      #expect(Set(try scratch.names).subtracting(["squares.txt.lock"]) == ["images", "squares.txt.journal"])
      let resumed = try await run(scratch.url, "-1", ranks: 2)
      #expect(resumed.exitCode == 0 && resumed.standardOutput == "made\n", "\(resumed.standardError)")
      #expect(try Data(contentsOf: output) == whole)
      #expect(try scratch.names == ["images", "squares.txt"])
      #expect(try await run(scratch.url, "-1", ranks: 3).standardOutput == "was finished already\n")
    }
  }

  @Test(
    "ranks that compute several units at once give the same bytes, and check what others can't use",
    arguments: [1, 2, 3])
  func several(ranks: Int) async throws {
    try await ScratchFolder.with { scratch in
      try prepare(scratch)
      let output = scratch.file("squares.txt")
      #expect(try await run(scratch.url, "-1", ranks: nil).exitCode == 0)
      let whole = try Data(contentsOf: output)
      try FileManager.default.removeItem(at: output)
      let several = try await run(scratch.url, "-1", "several", "5", ranks: ranks)
      #expect(several.exitCode == 0 && several.standardOutput == "made\n", "\(several.standardError)")
      #expect(try Data(contentsOf: output) == whole)
    }
  }

  @Test("the units of a rank that fails while it holds several are computed by a run that continues")
  func severalResumed() async throws {
    try await ScratchFolder.with { scratch in
      try prepare(scratch)
      let failed = try await run(scratch.url, "5", "several", "4", ranks: 3)
      #expect(failed.exitCode != 0)
      #expect(failed.standardError.contains(/rank [12]: host [^ ]+: the node goes down/), "\(failed.standardError)")
      let resumed = try await run(scratch.url, "-1", "several", "4", ranks: 2)
      #expect(resumed.exitCode == 0 && resumed.standardOutput == "made\n", "\(resumed.standardError)")
      let squares = (1...60).map { $0 % 7 == 0 ? 0 : $0 * $0 }
      let lines = squares.map { "\($0)\n" }.joined() + "sum \(squares.reduce(0, +))\n"
      #expect(try String(contentsOf: scratch.file("squares.txt"), encoding: .utf8) == lines)
    }
  }

  @Test("a strict run names what all ranks found, once")
  func strict() async throws {
    try await ScratchFolder.with { scratch in
      try prepare(scratch)
      let run = try await run(scratch.url, "-1", "strict", ranks: 3)
      #expect(run.exitCode != 0)
      let text = run.standardError
      #expect(text.components(separatedBy: "8 numbers can't be used (--strict):\n  number 7: ").count == 2, "\(text)")
      for number in stride(from: 7, through: 56, by: 7) {
        #expect(text.components(separatedBy: "number \(number): is a multiple of 7").count == 2, "\(text)")
      }
    }
  }

  @Test(
    "what one rank alone can't use stops the run and names both hosts; it isn't recorded", arguments: [0, 1],
    ["look", "compute"])
  func blindHost(rank: Int, kind: String) async throws {
    try await ScratchFolder.with { scratch in
      try prepare(scratch)
      let output = scratch.file("squares.txt")
      #expect(try await run(scratch.url, "-1", ranks: nil).exitCode == 0)
      let whole = try Data(contentsOf: output)
      try FileManager.default.removeItem(at: output)

      let stopped = try await run(scratch.url, "-1", "blind", "\(rank)", kind, ranks: 3)
      #expect(stopped.exitCode == 1)
      let text = stopped.standardError
      let disagreement =
        #/rank ([0-2]), host (blind|sound) and rank ([0-2]), host (blind|sound) disagree about 1 number of image ([0-9]+): /#
      let found = try #require(text.firstMatch(of: disagreement), "\(text)")
      #expect(found.1 == "\(rank)" && found.2 == "blind" && found.3 != found.1 && found.4 == "sound", "\(text)")
      #expect(text.contains("number \(found.5): rank \(rank), host blind can't use it: is a multiple of 7"), "\(text)")
      #expect(text.contains(/; rank [0-2], host sound can use it\n/) && text.contains("--resume"), "\(text)")
      // Once the host is mended the run goes on, with the bytes of one rank.
      #expect(try await run(scratch.url, "-1", ranks: 2).exitCode == 0)
      #expect(try Data(contentsOf: output) == whole)
    }
  }

  @Test("a skipped sample is named with the rank and host that skipped it")
  func names() async throws {
    try await ScratchFolder.with { scratch in
      try prepare(scratch)
      let run = try await run(scratch.url, "-1", ranks: 3)
      #expect(run.exitCode == 0)
      let lines = run.standardError.matches(
        of: /number [0-9]+ is skipped: is a multiple of 7 \(rank [0-2], host [^)]+\)\n/)
      #expect(lines.count == 8, "\(run.standardError)")
    }
  }
}

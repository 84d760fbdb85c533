import Foundation
import TestSupport
import Testing

/// Each launches `mpi-cases unit-job` with a signal in the midst of it; the job is in Tests/mpi-cases/UnitJobCase.swift.
@Suite("Stop signals")
struct StopSignalTests {
  private static var done: Regex<Substring> {
    // On a busy disk a flush takes longer than a process that must end can wait.
    #/[1-9][0-9]* of 60 samples done(?:, the last of which may not be kept)?; the same command with --resume goes on\n/#
  }

  /// Runs the job with a signal, and checks that it continues on other ranks to the bytes of an undisturbed run.
  private func stop(_ disturbance: String, ranks: Int?, _ check: (MPIRun) throws -> Void) async throws {
    try await ScratchFolder.with { scratch in
      try FileManager.default.createDirectory(at: scratch.file("images"), withIntermediateDirectories: true)
      try Data([1]).write(to: scratch.file("images/1.png"))
      func run(_ more: String..., ranks: Int?) async throws -> MPIRun {
        let run = try await MPIRun.launch(
          "mpi-cases", ["unit-job", scratch.url.path] + more, ranks: ranks, timeout: 30)
        #expect(!run.timedOut)
        return run
      }
      let stopped = try await run("-1", disturbance, ranks: ranks)
      try check(stopped)
      #expect(try scratch.names.contains("squares.txt.journal"))
      let resumed = try await run("-1", ranks: ranks == 2 ? 3 : 2)
      #expect(resumed.exitCode == 0 && resumed.standardOutput == "made\n", "\(resumed.standardError)")
      let squares = (1...60).map { $0 % 7 == 0 ? 0 : $0 * $0 }
      let lines = squares.map { "\($0)\n" }.joined() + "sum \(squares.reduce(0, +))\n"
      #expect(try String(contentsOf: scratch.file("squares.txt"), encoding: .utf8) == lines)
    }
  }

  @Test("end a single process with one line and exit code 75", arguments: ["TERM", "INT", "USR1"])
  func alone(signal: String) async throws {
    try await stop("\(signal):self:0", ranks: nil) { run in
      #expect(run.exitCode == 75 && run.seconds < 5)
      #expect(
        run.standardError.contains("SIG\(signal): ")
          && run.standardError.matches(of: Self.done).count == 1, "\(run.standardError)")
    }
  }

  @Test("end it in time if it doesn't look")
  func stuck() async throws {
    try await stop("TERM:stuck:0", ranks: nil) { run in
      #expect(run.exitCode == 75 && run.seconds < 5)
      #expect(run.standardError.contains(Self.done), "\(run.standardError)")
    }
  }

  @Test("to any rank end all, and only rank 0 speaks", arguments: ["TERM:self:0", "TERM:self:2", "USR1:parent:1"])
  func ranks(disturbance: String) async throws {
    try await stop(disturbance, ranks: 3) { run in
      #expect(run.exitCode == 75 && run.seconds < 10)
      #expect(run.standardError.matches(of: Self.done).count == 1, "\(run.standardError)")
      #expect(run.standardError.matches(of: #/--resume/#).count == 1, "\(run.standardError)")
    }
  }

  @Test("to mpirun, which ends its ranks, and a killed rank are reported with what is done")
  func launcher() async throws {
    for disturbance in ["TERM:parent:1", "KILL:self:1"] {
      try await stop(disturbance, ranks: 2) { run in
        #expect(run.exitCode != 0 && run.seconds < 10)
        #expect(run.standardError.matches(of: Self.done).count == 1, "\(disturbance): \(run.standardError)")
      }
    }
  }

  @Test("rank 1 speaks if rank 0 was killed")
  func first() async throws {
    try await stop("KILL:self:0", ranks: 3) { run in
      #expect(run.exitCode != 0 && run.seconds < 10)
      #expect(
        run.standardError.matches(of: #/rank 0 has ended or doesn't answer.*--resume goes on/#).count == 1,
        "\(run.standardError)")
    }
  }

  @Test(
    "Slurm's to a rank whose host has lost rank 0 ends it with a line, even in the midst of a computation",
    arguments: ["TERM:slurm:1", "TERM:slurm-stuck:1"])
  func slurm(disturbance: String) async throws {
    try await stop(disturbance, ranks: 2) { run in
      #expect((run.exitCode == 75 || run.launcherCrashed) && (3..<20).contains(run.seconds), "\(run.standardError)")
      #expect(
        run.standardError.contains(
          #/SIGTERM to rank 1, and rank 0 has ended or doesn't answer: .*--resume goes on\n/#), "\(run.standardError)")
    }
  }
}

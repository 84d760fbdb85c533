import TestSupport
import Testing

/// Each launches `mpi-cases` under `mpirun`; what is tested is in Tests/mpi-cases.
@Suite("Several ranks", .serialized)
struct MultiRankTests {
  private func succeed(_ arguments: [String], ranks: Int, printing line: String) async throws {
    let run = try await MPIRun.launch("mpi-cases", arguments, ranks: ranks)
    #expect(!run.timedOut)
    #expect(run.exitCode == 0, "\(run.standardError)")
    #expect(run.standardOutput.contains(line))
  }

  /// What a job that fails must do: end soon, with an error code, without getting to its end.
  private func fail(_ arguments: [String], ranks: Int) async throws -> MPIRun {
    let run = try await MPIRun.launch("mpi-cases", arguments, ranks: ranks, timeout: 40)
    #expect(!run.timedOut)
    #expect(run.exitCode != 0)
    #expect(!run.standardOutput.contains("not reached"))
    return run
  }

  @Test("collectives are right, in whole and in chunks of 16 bytes", arguments: [1, 2, 3, 5], [nil, "16"])
  func collectives(ranks: Int, chunk: String?) async throws {
    let arguments = ["collectives"] + (chunk.map { [$0] } ?? [])
    try await succeed(arguments, ranks: ranks, printing: "collectives of \(ranks) right")
  }

  @Test("messages arrive whole and in order, in chunks of 16 bytes", arguments: [1, 2, 3, 5])
  func messages(ranks: Int) async throws {
    try await succeed(["point-to-point", "16"], ranks: ranks, printing: "messages of \(ranks) right")
  }

  @Test("ranks that wait for a late one leave their cores to others, whatever they wait in")
  func late() async throws {
    let run = try await MPIRun.launch("mpi-cases", ["late", "1"], ranks: 3)
    #expect(run.exitCode == 0 && !run.timedOut, "\(run.standardError)")
    let shares = run.standardOutput.split(separator: "\n").compactMap {
      $0.split(separator: ": ").last.flatMap { Double($0) }
    }
    #expect(shares.count == 10 && shares.allSatisfy { $0 < 0.05 }, "\(run.standardOutput)")
  }

  @Test(
    "a rank that gives no sign of life for too long is named, and ends the job with exit code 75", arguments: [0, 2])
  func silent(culprit: Int) async throws {
    let run = try await fail(["silent", "\(culprit)", "60", "2"], ranks: 3)
    #expect(run.exitCode == 75)
    #expect(run.standardError.contains("rank \(culprit) on "))
    #expect(run.standardError.contains(" has not answered for 2 s: "))
    #expect(run.seconds < 20)
  }

  @Test("a rank that was silent for a while is named, and named again when it is back", arguments: [0, 2])
  func back(culprit: Int) async throws {
    let run = try await MPIRun.launch("mpi-cases", ["silent", "\(culprit)", "2.5", "4"], ranks: 3)
    #expect(run.exitCode == 0 && !run.timedOut && run.standardOutput == "done\n", "\(run.standardError)")
    let lines = run.standardError.split(separator: "\n").filter { $0.hasPrefix("rank \(culprit) on ") }
    #expect(lines.count == 4 && lines.count { $0.contains(" is back after ") } == 2, "\(run.standardError)")
  }

  @Test("a rank that never starts ends the job too")
  func startless() async throws {
    let run = try await fail(["startless", "3"], ranks: 2)
    #expect(
      (run.exitCode == 75 || run.launcherCrashed)
        && run.standardError.contains(" has not answered for 3 s: it is stopped, and MPI_Init waits for it"),
      "\(run.standardError)")
    #expect(run.seconds < 20)
  }

  @Test("a rank that is stopped while MPI ends is named, and ends the job too", arguments: [0, 2])
  func endless(culprit: Int) async throws {
    let run = try await MPIRun.launch("mpi-cases", ["endless", "\(culprit)", "3"], ranks: 3, timeout: 90)
    // Open MPI's launcher sometimes hangs or crashes in its own end; it is killed then, after 20 s.
    #expect(!run.timedOut && ([75, 137].contains(run.exitCode) || run.launcherCrashed), "\(run.standardError)")
    #expect(
      run.standardError.contains(#/rank [0-9] on .* has not answered for 3 s: it is stopped, and MPI_Finalize/#),
      "\(run.standardError)")
  }

  @Test("a job that is suspended goes on afterwards")
  func suspended() async throws {
    let run = try await MPIRun.launch("mpi-cases", ["suspended", "4"], ranks: 3)
    #expect(run.exitCode == 0 && !run.timedOut && run.standardOutput == "done\n", "\(run.standardError)")
  }

  @Test("every unit is done exactly once and its result arrives unharmed", arguments: [1, 2, 3, 5])
  func share(ranks: Int) async throws {
    try await succeed(["share", "120"], ranks: ranks, printing: "120 units shared among \(ranks)")
  }

  @Test("fewer units than ranks, none at all, and results in chunks", arguments: ["0", "3"])
  func shareFew(units: String) async throws {
    try await succeed(["share", units, "7"], ranks: 5, printing: "\(units) units shared among 5")
  }

  @Test("near the end no rank takes a second unit while another is idle")
  func balance() async throws {
    try await succeed(["share-balance"], ranks: 3, printing: "balanced")
  }

  @Test("what can't be used is checked on another host if there is one; a host that differs is found, rank 0's too")
  func checks() async throws {
    for (bad, hosts, ranks) in [("-1", "1", 3), ("-1", "2", 4), ("-1", "2", 1)] {
      try await succeed(["share-checks", bad, hosts], ranks: ranks, printing: "differences: []\n")
    }
    try await succeed(["share-checks", "1", "2"], ranks: 4, printing: "differences: [\"1 differs from 0\"]\n")
    try await succeed(["share-checks", "0", "2"], ranks: 4, printing: "differences: [\"0 differs from 1\"]\n")
  }

  @Test("above a number of ranks rank 0 only coordinates, and checks")
  func coordinates() async throws {
    try await succeed(
      ["share-checks", "-1", "2", "3"], ranks: 4, printing: "differences: [], rank 0 computed nothing\n")
  }

  @Test("trivial units are shared out by the thousand")
  func rate() async throws {
    let run = try await MPIRun.launch("mpi-cases", ["share-rate", "2000", "500", "300"], ranks: 4)
    let rate = run.standardOutput.firstMatch(of: /4 ranks: ([0-9]+) units/).flatMap { Int($0.1) }
    #expect(try #require(rate, "\(run.standardError)") > 500)
  }

  @Test("the coordinator keeps 1,000 virtual ranks busy with units of 2 s")
  func manyRanks() async throws {
    let run = try await MPIRun.launch("mpi-cases", ["coordinator", "1000", "20", "fixed"])
    let busy = run.standardOutput.firstMatch(of: /([0-9.]+)% busy/).flatMap { Double($0.1) }
    #expect(try #require(busy, "\(run.standardError)") > 95)
  }

  @Test("one rank that throws stops all, and its number and cause are printed", arguments: [0, 2])
  func oneThrows(culprit: Int) async throws {
    let run = try await fail(["throw", "\(culprit)"], ranks: 3)
    #expect(run.standardError.contains("rank \(culprit): image 42 is broken\n"))
  }

  @Test("a step that fails on one rank fails on all, and is reported once")
  func agreement() async throws {
    let run = try await fail(["agree", "1"], ranks: 3)
    #expect(!run.standardOutput.contains("agreed"))
    #expect(run.standardError.components(separatedBy: "rank 1: no file on node 1\n").count == 2)
  }

  @Test("a failure of all ranks is printed in one line")
  func agreementOfAll() async throws {
    let run = try await fail(["agree", "all"], ranks: 2)
    #expect(run.standardError.contains("ranks 0, 1: no such model\n"))
  }

  @Test("a step that succeeds everywhere lets all continue")
  func agreed() async throws {
    let run = try await MPIRun.launch("mpi-cases", ["agree"], ranks: 3)
    #expect(run.exitCode == 0)
    // In whatever order the launcher forwards the ranks' text and their ends of lines.
    #expect(run.standardOutput.components(separatedBy: "agreed").count == 4)
  }

  @Test("a rank that can't give a prefix which it keeps doesn't leave the others waiting", arguments: [0, 2])
  func exchangeFails(culprit: Int) async throws {
    let run = try await MPIRun.launch("mpi-cases", ["exchange-fails", "\(culprit)"], ranks: 3, timeout: 40)
    #expect(run.exitCode == 0 && !run.timedOut, "\(run.standardError)")
    // In whatever order the launcher forwards the ranks' text and their ends of lines.
    #expect(run.standardOutput.components(separatedBy: "met").count == 4)
    #expect(run.standardOutput.contains("rank \(culprit) failed"))
    #expect(run.standardOutput.contains("misses one"))
  }

  @Test("a picture's samples come from the rank that has the first one, and nobody waits before its own are computed")
  func exchangePictures() async throws {
    let run = try await MPIRun.launch("mpi-cases", ["exchange-pictures"], ranks: 3, timeout: 40)
    #expect(run.exitCode == 0 && !run.timedOut, "\(run.standardError)")
    #expect(run.standardOutput.components(separatedBy: "met").count == 4)
  }

  @Test("results that rank 0 can't store end the job, even where the first error is swallowed", arguments: [1, 3])
  func storeFails(ranks: Int) async throws {
    let run = try await fail(["share-fails"], ranks: ranks)
    #expect(run.standardError.contains("rank 0: no space left on device\n"))
  }

  @Test("a killed rank stops the others within seconds", arguments: [0, 1])
  func killed(culprit: Int) async throws {
    let run = try await fail(["kill", "\(culprit)"], ranks: 3)
    // The work takes 7 seconds and more.
    #expect(run.seconds < 20)
  }

  @Test("MPI that was initialised without a launcher makes a world of one")
  func singleton() async throws {
    let run = try await MPIRun.launch("mpi-cases", ["start"], environment: ["HEADIMPACT_MPI": "always"])
    #expect(run.exitCode == 0)
    #expect(run.standardOutput == "rank 0 of 1\n")
  }
}

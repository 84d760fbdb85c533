import Testing

@testable import Launching

@Suite("Watching mpirun", .serialized)
struct SupervisorTests {
  private func run(_ script: String) throws -> JobEnd {
    var supervisor = Supervisor(flavor: .unknown, signals: UserSignals())
    supervisor.limits = Supervisor.Limits(ending: .milliseconds(300))
    return try supervisor.run(["sh", "-c", script])
  }

  @Test("its exit code, its signal and its words are noticed")
  func ends() throws {
    #expect(try run("exit 3") == JobEnd(.exited(3)))
    #expect(try run("kill -9 $$") == JobEnd(.signalled(9)))
    #expect(
      try run("echo 'rank 1: 3 of 9 done; the same command with --resume goes on' >&2; exit 75")
        == JobEnd(.exited(75), signs: [.interruptedRank]))
  }

  @Test(
    "it is killed with its children if it stays after a rank or itself said that the job ends",
    arguments: [
      ("the same command with --resume goes on", .interruptedRank),
      ("Per user-direction, the job has been aborted.", .aborted),
      ("ORTE has lost communication with a remote daemon.", .lostDaemon),
    ] as [(String, JobEnd.Sign)])
  func hangs(words: String, sign: JobEnd.Sign) throws {
    let start = ContinuousClock.now
    let end = try run("echo '\(words)' >&2; sleep 50 & sleep 50")
    #expect(end == JobEnd(.signalled(9), signs: [sign], isKilled: true))
    #expect(ContinuousClock.now - start < .seconds(20))
  }

  @Test("a child that outlives it and holds its standard error isn't waited for")
  func outlived() throws {
    let start = ContinuousClock.now
    #expect(try run("sleep 20 & exit 0") == JobEnd(.exited(0)))
    #expect(ContinuousClock.now - start < .seconds(18))
  }

  @Test("a program that isn't there is named")
  func missing() throws {
    let supervisor = Supervisor(flavor: .unknown, signals: UserSignals())
    let error = try #require(throws: LaunchError.self) { try supervisor.run(["no-such-mpirun"]) }
    #expect(error.description.contains("no-such-mpirun"))
  }
}

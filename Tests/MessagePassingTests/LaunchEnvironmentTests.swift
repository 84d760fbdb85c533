import Testing

@testable import MessagePassing

@Suite("Whether MPI is used")
struct LaunchEnvironmentTests {
  @Test("a process started by hand, or by a batch script itself, runs without MPI")
  func alone() throws {
    #expect(try !LaunchEnvironment(["PATH": "/bin"]).usesMPI)
    let batch = try LaunchEnvironment(["SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"])
    #expect(!batch.usesMPI)
    try batch.check(worldSize: 1)
  }

  @Test("a launcher's mark turns MPI on", arguments: LaunchEnvironment.marks)
  func launched(mark: String) throws {
    #expect(try LaunchEnvironment([mark: "1"]).usesMPI)
  }

  @Test("HEADIMPACT_MPI overrides what is found, and nothing but always and never is taken")
  func override() throws {
    #expect(try LaunchEnvironment(["HEADIMPACT_MPI": "always"]).usesMPI)
    #expect(try !LaunchEnvironment(["HEADIMPACT_MPI": "never", "PMIX_RANK": "0"]).usesMPI)
    #expect(throws: MPIError.self) { try LaunchEnvironment(["HEADIMPACT_MPI": "yes"]) }
  }

  @Test(
    "one process that was started as one of several is refused, naming the variable",
    arguments: [
      ["OMPI_COMM_WORLD_SIZE": "4"], ["PMI_SIZE": "4"], ["SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"],
    ])
  func mismatch(environment: [String: String]) throws {
    let launch = try LaunchEnvironment(environment)
    let error = #expect(throws: MPIError.self) { try launch.check(worldSize: 1) }
    #expect(error?.description.contains("says that 4 processes were started, but MPI sees only this one") == true)
    try launch.check(worldSize: 4)
  }

  @Test("the launcher nearest to the program is the one that counts")
  func nested() throws {
    let launch = try LaunchEnvironment([
      "OMPI_COMM_WORLD_SIZE": "1", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2",
    ])
    try launch.check(worldSize: 1)
  }
}

import Testing

@testable import MessagePassing

@Suite("Whether MPI is used")
struct LaunchEnvironmentTests {
  @Test("ranks that Slurm started itself are told from those of Open MPI's launcher, inside a job of Slurm's too")
  func direct() throws {
    let slurm = ["PMIX_RANK": "1", "SLURM_STEP_ID": "0"]
    #expect(try LaunchEnvironment(slurm).isDirect)
    #expect(try !LaunchEnvironment(slurm.merging(["OMPI_COMM_WORLD_SIZE": "2"]) { $1 }).isDirect)
    #expect(try !LaunchEnvironment(["PMI_RANK": "1"]).isDirect)
  }

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

  @Test("the launcher's number counts before MPI starts, unless the process is to run alone: then it speaks for itself")
  func number() {
    #expect(Communicator.launchedRank(environment: [:]) == 0)
    #expect(Communicator.launchedRank(environment: ["PMIX_RANK": "3"]) == 3)
    #expect(Communicator.launchedRank(environment: ["PMIX_RANK": "3", "HEADIMPACT_MPI": "never"]) == 0)
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

  @Test(
    "a world of one is refused to a process that isn't the first, naming the variable",
    arguments: [
      ["PMIX_RANK": "1"], ["PMI_RANK": "1"], ["OMPI_COMM_WORLD_RANK": "1"], ["MV2_COMM_WORLD_RANK": "1"],
      ["PALS_RANKID": "1"], ["ALPS_APP_PE": "1"], ["SLURM_STEP_ID": "0", "SLURM_PROCID": "1"],
    ])
  func strayRank(environment: [String: String]) throws {
    let launch = try LaunchEnvironment(environment)
    let error = #expect(throws: MPIError.self) { try launch.check(worldSize: 1, library: "MPICH 4.0.2") }
    let variable = try #require(environment.first { $0.value == "1" }?.key)
    #expect(error?.description.contains("\(variable) says that this is process 1 of several") == true)
    try launch.check(worldSize: 2)
  }

  @Test("a batch script's own number, rank 0, and a process that is to run alone are no reason to refuse")
  func firstRank() throws {
    for environment in [
      ["SLURM_PROCID": "1"], ["PMIX_RANK": "0"], ["HEADIMPACT_MPI": "never", "PMI_RANK": "1", "PMI_SIZE": "2"],
    ] {
      try LaunchEnvironment(environment).check(worldSize: 1)
    }
  }

  @Test("only a launcher that this MPI knows is advised")
  func advice() throws {
    let launch = try LaunchEnvironment(["PMI_SIZE": "2"])
    let open = #expect(throws: MPIError.self) { try launch.check(worldSize: 1, library: "Open MPI v4.1.4") }
    #expect(open?.description.contains("--mpi=pmix") == true && open?.description.contains("pmi2") == false)
    let mpich = #expect(throws: MPIError.self) { try launch.check(worldSize: 1, library: "MPICH Version: 4.0.2") }
    #expect(mpich?.description.contains("--mpi=pmi2") == true)
  }

  @Test("the launcher nearest to the program is the one that counts")
  func nested() throws {
    let launch = try LaunchEnvironment([
      "OMPI_COMM_WORLD_SIZE": "1", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2",
    ])
    try launch.check(worldSize: 1)
  }
}

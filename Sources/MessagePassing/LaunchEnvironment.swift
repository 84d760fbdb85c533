/// How this process was started, according to its environment.
///
/// Started alone, a program has no use for MPI, whose initialisation takes a noticeable time and may wait for networks
/// that aren't there. So MPI is initialised only where a launcher left its mark:
///
/// | launcher | variables |
/// |---|---|
/// | Open MPI's `mpirun`, 4 and 5 | `OMPI_COMM_WORLD_SIZE`, `PMIX_RANK` |
/// | `srun --mpi=pmix`, PRRTE | `PMIX_RANK` |
/// | MPICH's and Intel's `mpiexec`, `srun --mpi=pmi2` | `PMI_RANK`, `PMI_SIZE`, `PMI_FD`, `PMI_PORT` |
/// | MVAPICH | `MV2_COMM_WORLD_SIZE` |
/// | Cray PALS, ALPS | `PALS_RANKID`, `ALPS_APP_PE` |
///
/// `HEADIMPACT_MPI=always` or `never` overrides what is found, for launchers not listed.
struct LaunchEnvironment {
  static let marks = [
    "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE", "PMI_FD", "PMI_PORT", "MV2_COMM_WORLD_SIZE",
    "PALS_RANKID", "ALPS_APP_PE",
  ]
  static let override = "HEADIMPACT_MPI"

  /// Whether to initialise MPI.
  let usesMPI: Bool
  /// How many processes the launcher says it started, and the variable that says so; nil if none does.
  let declaredSize: (count: Int, variable: String)?

  /// - Throws: `MPIError` if `HEADIMPACT_MPI` is neither `always` nor `never`.
  init(_ environment: [String: String]) throws {
    switch environment[Self.override] {
    case nil, "": usesMPI = Self.marks.contains { environment[$0] != nil }
    case "always": usesMPI = true
    case "never":
      usesMPI = false
      declaredSize = nil
      return
    case .some(let other):
      throw MPIError(call: "start", reason: "\(Self.override)=\(other) is neither always nor never", rank: nil)
    }
    var sizes = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"]
    // Set by srun for each of its tasks. A batch script, which isn't one, has no step number.
    if environment["SLURM_STEP_ID"] != nil { sizes.append("SLURM_STEP_NUM_TASKS") }
    declaredSize =
      sizes.lazy.compactMap { name in
        environment[name].flatMap { Int($0) }.map { (count: $0, variable: name) }
      }.first
  }

  /// Refuses a world of one where the launcher started several: every process would believe that it is rank 0, do all
  /// the work and write the same file.
  func check(worldSize: Int) throws {
    guard worldSize == 1, let declared = declaredSize, declared.count > 1 else { return }
    throw MPIError(
      call: "start",
      reason: """
        \(declared.variable) says that \(declared.count) processes were started, but MPI sees only this one. The launcher \
        and the MPI library don't fit together: start with the mpirun of the MPI this program was built with, or with \
        srun --mpi=pmix (or pmi2); HEADIMPACT_MPI=never runs this process alone
        """, rank: nil)
  }
}

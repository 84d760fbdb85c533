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
  /// This process's number according to the launcher, and the variable that says so; nil if none does.
  let declaredRank: (rank: Int, variable: String)?

  /// Whether a batch system started the ranks itself, without Open MPI's launcher: `srun --mpi=pmix`.
  let isDirect: Bool

  /// - Throws: `MPIError` if `HEADIMPACT_MPI` is neither `always` nor `never`.
  init(_ environment: [String: String]) throws {
    isDirect = environment["PMIX_RANK"] != nil && environment["OMPI_COMM_WORLD_SIZE"] == nil
    switch environment[Self.override] {
    case nil, "": usesMPI = Self.marks.contains { environment[$0] != nil }
    case "always": usesMPI = true
    case "never":
      usesMPI = false
      declaredSize = nil
      declaredRank = nil
      return
    case .some(let other):
      throw MPIError(call: "start", reason: "\(Self.override)=\(other) is neither always nor never", rank: nil)
    }
    // Set by srun for each of its tasks. A batch script, which isn't one, has no step number.
    let isStep = environment["SLURM_STEP_ID"] != nil
    func first(_ names: [String]) -> (Int, String)? {
      names.lazy.compactMap { name in environment[name].flatMap { Int($0) }.map { ($0, name) } }.first
    }
    declaredSize = first(
      ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"] + (isStep ? ["SLURM_STEP_NUM_TASKS"] : []))
    declaredRank = first(Self.ranks + (isStep ? ["SLURM_PROCID"] : []))
  }

  /// The variables in which launchers tell a process its number, the nearest to the program first.
  static let ranks = [
    "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "PALS_RANKID", "ALPS_APP_PE",
  ]

  /// The number that a launcher gave a process; nil if none did.
  static func rank(_ environment: [String: String]) -> Int? {
    ranks.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first
  }

  /// Refuses a world of one where the launcher started several: every process would believe that it is rank 0, do all
  /// the work and write the same file.
  ///
  /// - Parameter library: the MPI library's name and version.
  func check(worldSize: Int, library: String = Communicator.libraryVersion) throws {
    guard worldSize == 1 else { return }
    let evidence: String
    if let declared = declaredSize, declared.count > 1 {
      evidence = "\(declared.variable) says that \(declared.count) processes were started"
    } else if let declared = declaredRank, declared.rank > 0 {
      evidence = "\(declared.variable) says that this is process \(declared.rank) of several"
    } else {
      return
    }
    // Debian's Open MPI knows PMIx only.
    let slurm = library.hasPrefix("Open MPI") ? "srun --mpi=pmix" : "srun --mpi=pmi2"
    throw MPIError(
      call: "start",
      reason: """
        \(evidence), but MPI sees only this one. The launcher and the MPI library (\(library)) don't fit together: start \
        with the mpirun of the MPI this program was built with, or with \(slurm); HEADIMPACT_MPI=never runs this process \
        alone
        """, rank: nil)
  }
}

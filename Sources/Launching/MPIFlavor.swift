/// Whose `mpirun` it is: what it may be told depends on that.
public enum MPIFlavor: Sendable, Equatable {
  case openMPI(major: Int)
  /// MPICH's and Intel's.
  case hydra
  case unknown

  /// - Parameter version: the output of `mpirun --version`.
  public init(version: String) {
    if let match = version.firstMatch(of: /\(Open MPI\)\s+v?(\d+)\./), let major = Int(match.1) {
      self = .openMPI(major: major)
    } else if version.contains("HYDRA") || version.contains("Hydra") || version.contains("Intel(R) MPI") {
      self = .hydra
    } else {
      self = .unknown
    }
  }

  var isOpenMPI: Bool {
    if case .openMPI = self { return true }
    return false
  }
}

/// What one rank sees of its host: what `doctor` compares.
public struct HostReport: Codable, Sendable, Equatable {
  /// An interface with an IPv4 address.
  public struct Interface: Codable, Sendable, Equatable {
    public var name: String
    public var address: String
    /// The length of the network's prefix.
    public var prefix: Int

    public init(name: String, address: String, prefix: Int) {
      (self.name, self.address, self.prefix) = (name, address, prefix)
    }
  }

  /// What a process may use at most; nil without a limit.
  public struct Limits: Codable, Sendable, Equatable {
    public var openFiles: Int?
    /// - Units: bytes.
    public var addressSpace: Int?
    /// - Units: bytes.
    public var lockedMemory: Int?

    public init(openFiles: Int? = nil, addressSpace: Int? = nil, lockedMemory: Int? = nil) {
      (self.openFiles, self.addressSpace, self.lockedMemory) = (openFiles, addressSpace, lockedMemory)
    }
  }

  /// An input as one host has it.
  public enum Input: Codable, Sendable, Equatable {
    /// What it is, in words, and a digest by which hosts are compared.
    case found(summary: String, sha256: String)
    case failed(String)

    /// nil if it can't be read.
    var sha256: String? {
      if case .found(_, let sha256) = self { return sha256 }
      return nil
    }
  }

  public var rank: Int
  public var host: String
  /// The rank's number on its host, from 0.
  public var localRank = 0
  public var programVersion = ""
  public var mpi = ""
  /// The processor's name, family and model.
  public var processor = ""
  /// Libraries that multiply matrices, with the instructions they use.
  public var arithmetic = ""
  /// Hardware threads of a core.
  public var threadsPerCore = 1
  /// The processors that the rank may run on.
  public var processors: [Int] = []
  public var machineProcessors = 0
  /// Cores' worth of time that a control group gives to all of its processes.
  public var quota: Double?
  public var quotaGroup = ""
  /// What to do about a launcher's binding that leaves cores idle.
  public var bindingAdvice: String?
  /// Memory of the job on this host, in bytes: the machine's or a control group's.
  public var memory: Int?
  public var availableMemory: Int?
  /// The control group's file that limits it.
  public var memorySource: String?
  public var limits = Limits()
  public var interfaces: [Interface] = []
  /// Interfaces that MPI's messages between ranks avoid here.
  public var avoidedInterfaces: [String] = []
  public var hasInfiniBand = false
  /// Of each host's first rank only.
  public var model: Input?
  public var images: Input?
  /// The type of the file system of the output's folder, and whether this host sees rank 0's new file there.
  public var outputFileSystem: String?
  public var seesOutput: Bool?
  /// How far this host's clock is ahead of rank 0's, and how wrong that may be, in seconds.
  public var clockOffset: Double?
  public var clockUncertainty: Double?

  public init(rank: Int, host: String) { (self.rank, self.host) = (rank, host) }
}

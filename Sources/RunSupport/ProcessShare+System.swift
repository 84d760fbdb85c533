import Foundation
import IO

extension ProcessShare {
  /// The share of this process, now.
  public static var current: ProcessShare { ProcessShare(addressSpace: currentAddressSpace, contents: KernelFile.text) }

  /// This process's `ulimit -v`, in bytes; nil without a limit.
  public static var currentAddressSpace: Int? {
    var limit = rlimit()
    let isLimited = getrlimit(resource(RLIMIT_AS), &limit) == 0 && limit.rlim_cur < 1 << 60
    return isLimited ? Int(limit.rlim_cur) : nil
  }

  /// The address space of the program's libraries and threads, without a model's weights and a picture's activations.
  static let leastAddressSpace = 512 << 20

  /// - Throws: `JobError` if the limit is so low that memory may run out anywhere: neither Swift nor the libraries make
  ///   an error of that.
  public static func requireAddressSpace(_ limit: Int? = currentAddressSpace) throws {
    guard let limit, limit < leastAddressSpace else { return }
    throw JobError(
      "ulimit -v gives this process \(limit >> 20) MiB of address space; it needs at least \(leastAddressSpace >> 20) MiB, and "
        + "the size of the model's weights on top: raise the limit, or limit resident memory instead")
  }

  /// Lets this process have as many files open as the system allows it to. Where it can't, opening one too many says so.
  public static func allowManyFiles() {
    var limit = rlimit()
    guard getrlimit(resource(RLIMIT_NOFILE), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(resource(RLIMIT_NOFILE), &limit)
  }

  /// The cores that Open MPI's binding takes from this process, and the remedy; nil if it takes none that other ranks
  /// don't have.
  public static func bindingAdvice(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> String? {
    // The launcher's own mask: the cores to share.
    bindingAdvice(
      environment: environment, processors: processors(KernelFile.text("/proc/self/status") ?? ""),
      launcher: processors(KernelFile.text("/proc/\(getppid())/status") ?? ""))
  }

  static func bindingAdvice(environment: [String: String], processors: [Int], launcher: [Int]) -> String? {
    guard let ranks = environment["OMPI_COMM_WORLD_LOCAL_SIZE"].flatMap({ Int($0) }), ranks > 0,
      ranks < launcher.count, processors.count < launcher.count / ranks
    else { return nil }
    let cores = processors.count == 1 ? "one core" : "\(processors.count) cores"
    return "Open MPI binds each rank to \(cores) of \(launcher.count): use mpirun --bind-to none, or "
      + "--map-by slot:PE=\(launcher.count / ranks) --bind-to core"
  }
}

extension ProcessShare {
  /// The message of a rank about its share.
  public struct Claim: Equatable {
    let node: String
    let processors: [Int]
    let quota: Quota?

    public init(node: String, processors: [Int], quota: Quota?) {
      self.node = node
      self.processors = processors
      self.quota = quota
    }

    /// As bytes, and back; nil if they are none.
    public var bytes: [UInt8] {
      Array(
        [
          node, processors.map(String.init).joined(separator: ","), quota.map { "\($0.cores)" } ?? "",
          quota?.group ?? "",
        ].joined(separator: "\u{0}").utf8)
    }

    public init?(_ bytes: [UInt8]) {
      let parts = String(decoding: bytes, as: UTF8.self).split(separator: "\u{0}", omittingEmptySubsequences: false)
      guard parts.count == 4 else { return nil }
      node = String(parts[0])
      processors = ProcessShare.processorList(String(parts[1]))
      quota = Double(parts[2]).map { Quota(cores: $0, group: String(parts[3])) }
    }
  }

  /// Threads for one of some ranks: each core goes to the ranks that may use it in equal parts, and so does the time of
  /// a control group.
  public static func threads(of index: Int, among claims: [Claim]) -> Int {
    let mine = claims[index]
    let onNode = claims.filter { $0.node == mine.node }
    var users: [Int: Int] = [:]
    for claim in onNode { for processor in claim.processors { users[processor, default: 0] += 1 } }
    var share = mine.processors.reduce(0.0) { $0 + 1 / Double(users[$1] ?? 1) }
    if let quota = mine.quota {
      share = min(share, quota.cores / Double(onNode.count { $0.quota?.group == quota.group }))
    }
    // Thirds add up to a little less than one.
    return max(1, Int(min(share + 1e-6, 4096)))
  }
}

/// `RLIMIT_AS` is an enumeration in one C library and a number in another.
private func resource<T: RawRepresentable>(_ value: T) -> Int32 where T.RawValue == UInt32 {
  Int32(bitPattern: value.rawValue)
}
private func resource(_ value: Int32) -> Int32 { value }

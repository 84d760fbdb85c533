import Testing

@testable import RunSupport

@Suite("A process's share of its machine")
struct ProcessShareTests {
  /// Files of a machine of 8 processors and 16 GiB, and what is given besides or instead.
  private func share(_ more: [String: String] = [:], addressSpace: Int? = nil) -> ProcessShare {
    let files = [
      "/proc/self/status": "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\nMems_allowed_list:\t0\n",
      "/sys/devices/system/cpu/online": "0-7\n",
      "/proc/meminfo": "MemTotal:       16777216 kB\nMemFree:  10 kB\nMemAvailable:    8388608 kB\n",
      "/proc/self/cgroup": "0::/user.slice/job 7\n",
      "/proc/self/mountinfo":
        "22 1 0:20 / /proc rw - proc proc rw\n25 21 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
    ].merging(more) { $1 }
    return ProcessShare(addressSpace: addressSpace) { files[$0] }
  }

  @Test("without limits it is the whole machine")
  func unlimited() {
    let share = share()
    #expect(share.cores == 8 && share.coresDescription == "8" && share.quota == nil)
    #expect(share.memory == 16 << 30 && share.availableMemory == 8 << 30 && share.memorySource == nil)
  }

  @Test("the affinity mask limits the cores", arguments: [("3", 1), ("0-1,4", 3), ("0-7", 8), ("0-1023", 1024)])
  func affinity(_ list: String, _ cores: Int) {
    #expect(share(["/proc/self/status": "Cpus_allowed_list:\t\(list)\n"]).cores == cores)
  }

  @Test("a quota of version 2 limits the cores, that of a group around the process's too")
  func quotaOfVersion2() {
    let folder = "/sys/fs/cgroup/user.slice"
    let inner = share(["\(folder)/job 7/cpu.max": "250000 100000\n", "\(folder)/cpu.max": "max 100000\n"])
    #expect(inner.cores == 2 && inner.quota == ProcessShare.Quota(cores: 2.5, group: folder + "/job 7"))
    #expect(inner.coresDescription.contains(folder + "/job 7"))
    let outer = share(["\(folder)/job 7/cpu.max": "250000 100000\n", "\(folder)/cpu.max": "50000 100000\n"])
    #expect(outer.cores == 1 && outer.quota?.group == folder)
    #expect(share(["\(folder)/cpu.max": "1600000 100000"]).cores == 8)
  }

  @Test("a quota of version 1, in a container that sees its own part of the hierarchy")
  func quotaOfVersion1() {
    let files = [
      "/proc/self/cgroup": "4:memory:/docker/abc/in\n3:cpu,cpuacct:/docker/abc/in\n1:name=systemd:/x\n0::/\n",
      "/proc/self/mountinfo":
        "31 3 0:28 /docker/abc /sys/fs/cgroup/cpu\\040x ro - cgroup cgroup rw,cpu,cpuacct\n"
        + "33 3 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
      "/sys/fs/cgroup/cpu x/cpu.cfs_quota_us": "300000\n", "/sys/fs/cgroup/cpu x/cpu.cfs_period_us": "100000\n",
      "/sys/fs/cgroup/cpu x/in/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu x/in/cpu.cfs_period_us": "100000\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "4294967296\n",
      "/sys/fs/cgroup/memory/memory.usage_in_bytes": "3221225472\n",
      "/sys/fs/cgroup/memory/memory.stat": "cache 1\ntotal_inactive_file 2147483648\n",
      "/sys/fs/cgroup/memory/in/memory.limit_in_bytes": "9223372036854771712\n",
    ]
    let share = share(files)
    #expect(share.cores == 3 && share.quota?.group == "/sys/fs/cgroup/cpu x")
    #expect(share.memory == 4 << 30 && share.availableMemory == 3 << 30)
    #expect(share.memorySource == "/sys/fs/cgroup/memory/memory.limit_in_bytes")
  }

  @Test("memory of version 2: what its page cache holds can be had")
  func memoryOfVersion2() {
    let folder = "/sys/fs/cgroup/user.slice"
    let share = share([
      "\(folder)/memory.max": "max\n", "\(folder)/job 7/memory.max": "2147483648\n",
      "\(folder)/job 7/memory.current": "2147483648\n",
      "\(folder)/job 7/memory.stat": "anon 5\ninactive_file 1073741824\n",
    ])
    #expect(share.memory == 2 << 30 && share.availableMemory == 1 << 30)
    #expect(self.share(["\(folder)/memory.max": "\(1 << 40)"]).memory == 16 << 30)
  }

  @Test(
    "files that say nothing of use limit nothing, and none traps",
    arguments: [
      "", "\n", "x", "max", "-1", "0 0", "1e400 1", "nan nan", "99999999999999999999 1", "::::", "1-", "5-2", "-",
    ])
  func nonsense(_ text: String) {
    for path in [
      "/proc/self/status", "/sys/devices/system/cpu/online", "/proc/meminfo", "/proc/self/cgroup",
      "/proc/self/mountinfo",
      "/sys/fs/cgroup/user.slice/cpu.max", "/sys/fs/cgroup/user.slice/memory.max",
      "/sys/fs/cgroup/user.slice/memory.current", "/sys/fs/cgroup/user.slice/memory.stat",
    ] {
      let share = share(["/proc/self/cgroup": "0::/user.slice"].merging([path: text]) { $1 })
      #expect((1...8).contains(share.cores), "\(path)")
    }
    #expect(share(["/proc/self/status": "Cpus_allowed_list:\t\(text)"]).cores >= 1)
  }

  @Test("an address space that can't hold the program is refused, naming ulimit -v")
  func addressSpace() throws {
    try ProcessShare.requireAddressSpace(nil)
    try ProcessShare.requireAddressSpace(1 << 30)
    let error = #expect(throws: JobError.self) { try ProcessShare.requireAddressSpace(300 << 20) }
    #expect(error?.description.contains("ulimit -v") == true && error?.description.contains("300 MiB") == true)
  }

  @Test("ranks that share cores divide them, bound ones have their own, and nodes don't mix")
  func division() {
    typealias Claim = ProcessShare.Claim
    func threads(_ claims: [Claim]) -> [Int] { claims.indices.map { ProcessShare.threads(of: $0, among: claims) } }
    let unbound = Claim(node: "a", processors: Array(0..<9), quota: nil)
    #expect(threads([unbound, unbound, unbound]) == [3, 3, 3])
    #expect(threads([unbound, Claim(node: "b", processors: Array(0..<9), quota: nil)]) == [9, 9])
    let bound = (0..<3).map { Claim(node: "a", processors: [2 * $0, 2 * $0 + 1], quota: nil) }
    #expect(threads(bound) == [2, 2, 2])
    #expect(threads([bound[0], bound[0], bound[1]]) == [1, 1, 2])
    let limited = Claim(node: "a", processors: Array(0..<9), quota: ProcessShare.Quota(cores: 4.5, group: "/job"))
    #expect(threads([limited, limited]) == [2, 2])
    #expect(threads([Claim](repeating: unbound, count: 20)).allSatisfy { $0 == 1 })
    for claim in [unbound, limited, bound[1]] { #expect(Claim(claim.bytes) == claim) }
    #expect(Claim([1, 2, 3]) == nil)
  }

  @Test("the cores that Open MPI's binding takes are reported, with the remedy")
  func binding() throws {
    func advice(_ ranks: String?, _ processors: [Int], of launcher: Int) -> String? {
      ProcessShare.bindingAdvice(
        environment: ranks.map { ["OMPI_COMM_WORLD_LOCAL_SIZE": $0] } ?? [:], processors: processors,
        launcher: Array(0..<launcher))
    }
    let two = try #require(advice("2", [0], of: 32))
    #expect(two.contains("one core") && two.contains("--bind-to none") && two.contains("PE=16"))
    #expect(advice("2", Array(0..<16), of: 32) == nil)
    #expect(advice("2", [0], of: 2) == nil && advice("4", [0], of: 2) == nil)
    #expect(advice(nil, [0], of: 32) == nil && advice("x", [0], of: 32) == nil && advice("0", [0], of: 32) == nil)
  }
}

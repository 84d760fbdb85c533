import Foundation

/// The share of the machine that this process may use: the cores of its affinity mask, and its control groups' limits
/// on their time and on memory.
public struct ProcessShare: Sendable, Equatable {
  /// Cores' worth of time that a control group gives to all of its processes together.
  public struct Quota: Sendable, Equatable {
    public let cores: Double
    /// The group's folder: processes with the same one share it.
    public let group: String

    public init(cores: Double, group: String) {
      self.cores = cores
      self.group = group
    }
  }

  /// Processors that the process may run on, by number: its affinity mask, which a cpuset limits too.
  public let processors: [Int]
  /// Processors of the machine.
  public let machineProcessors: Int
  /// The tightest of its groups' limits.
  public let quota: Quota?
  /// Memory in bytes: the machine's, or the tightest of the groups' limits; nil if the system doesn't say.
  public let memory: Int?
  /// The available part of it, including page cache.
  public let availableMemory: Int?
  /// The group's file that limits `memory`; nil if it is the machine's.
  public let memorySource: String?
  /// The most address space of the process, in bytes (`ulimit -v`); nil without a limit.
  public let addressSpace: Int?

  /// Computes it from the system's files.
  ///
  /// - Parameter contents: a file's text, by its path; nil if there is none.
  public init(addressSpace: Int?, contents: (String) -> String?) {
    processors = Self.processors(contents("/proc/self/status") ?? "")
    self.addressSpace = addressSpace
    machineProcessors = max(
      contents("/sys/devices/system/cpu/online").map { Self.processorList($0).count } ?? 0, processors.count)
    let groups = ControlGroups(
      membership: contents("/proc/self/cgroup") ?? "", mounts: contents("/proc/self/mountinfo") ?? "")
    quota = groups.folders(of: "cpu").compactMap { folder, version in
      Self.quota(folder, version, contents).map { Quota(cores: $0, group: folder) }
    }.min { $0.cores < $1.cores }

    let machine = Self.table(contents("/proc/meminfo") ?? "", unit: 1024)
    let limits = groups.folders(of: "memory").compactMap { Self.memory($0, $1, contents) }
    let tightest = limits.min { $0.limit < $1.limit }.flatMap { $0.limit < machine["MemTotal"] ?? .max ? $0 : nil }
    memory = tightest?.limit ?? machine["MemTotal"]
    memorySource = tightest?.file
    availableMemory = (limits.map(\.available) + [machine["MemAvailable"]].compactMap { $0 }).min()
  }

  /// Threads that can work at the same time.
  public var cores: Int {
    let allowed = processors.isEmpty ? machineProcessors : processors.count
    return max(1, min(allowed, quota.map { Int(min($0.cores, 1e6)) } ?? .max))
  }

  /// As `doctor` prints it: "1 of 2: the affinity mask".
  public var coresDescription: String {
    guard cores < machineProcessors else { return "\(cores)" }
    if let quota, quota.cores < Double(processors.count) {
      return "\(cores) of \(machineProcessors): the quota of \(quota.group) is \(quota.cores)"
    }
    return "\(cores) of \(machineProcessors): the affinity mask"
  }

  // MARK: - Files

  /// The processors of a process's /proc/PID/status.
  static func processors(_ status: String) -> [Int] {
    let name = "Cpus_allowed_list:"
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return [] }
    return processorList(String(line.dropFirst(name.count)))
  }

  private static func quota(_ folder: String, _ version: Int, _ contents: (String) -> String?) -> Double? {
    var (time, period): (Double?, Double?) = (nil, nil)
    if version == 2 {
      let words = (contents(folder + "/cpu.max") ?? "").split(whereSeparator: \.isWhitespace)
      (time, period) = (words.first.flatMap { Double($0) }, words.dropFirst().first.flatMap { Double($0) })
    } else {
      time = contents(folder + "/cpu.cfs_quota_us").flatMap(number)
      period = contents(folder + "/cpu.cfs_period_us").flatMap(number)
    }
    // "max", and -1 in version 1, mean none.
    guard let time, let period, time > 0, period > 0, time.isFinite else { return nil }
    return time / period
  }

  private static func memory(
    _ folder: String, _ version: Int, _ contents: (String) -> String?
  ) -> (limit: Int, available: Int, file: String)? {
    let names =
      version == 2
      ? (limit: "/memory.max", used: "/memory.current", cache: "inactive_file")
      : (limit: "/memory.limit_in_bytes", used: "/memory.usage_in_bytes", cache: "total_inactive_file")
    // Version 1 has a number near 2^63 if there is no limit.
    guard let limit = contents(folder + names.limit).flatMap(number), limit > 0, limit < 0x1p60 else { return nil }
    let used = contents(folder + names.used).flatMap(number) ?? 0
    let cache = table(contents(folder + "/memory.stat") ?? "", unit: 1)[names.cache] ?? 0
    let inUse = max(0, min(used, 0x1p60) - Double(min(max(cache, 0), 1 << 60)))
    return (Int(limit), Int(max(0, limit - inUse)), folder + names.limit)
  }

  private static func number(_ text: String) -> Double? {
    Double(text.trimmingCharacters(in: .whitespacesAndNewlines))
  }

  /// Lines of a name, a number and perhaps its unit. Numbers too large for one are left out.
  private static func table(_ text: String, unit: Int) -> [String: Int] {
    text.split(separator: "\n").reduce(into: [:]) { table, line in
      let words = line.split(separator: " ")
      guard words.count >= 2, let value = Int(words[1]) else { return }
      let (bytes, overflows) = value.multipliedReportingOverflow(by: unit)
      if !overflows { table[words[0].hasSuffix(":") ? String(words[0].dropLast()) : String(words[0])] = bytes }
    }
  }

  /// "0-3,8": the numbers of a list of processors. What isn't one is left out.
  public static func processorList(_ text: String) -> [Int] {
    text.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: ",").flatMap { part -> [Int] in
      let ends = part.split(separator: "-").map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first >= 0, first <= last,
        last < 1 << 16
      else { return [] }
      return Array(first...last)
    }
  }
}

/// Where this process's control groups lie.
struct ControlGroups {
  /// A hierarchy's mount: what of it is mounted, and where.
  private struct Mount {
    let root: String
    let folder: String
    /// Of version 1; empty for version 2.
    let controllers: [String]
  }

  private let mounts: [Mount]
  /// The process's group by controller; "" for version 2.
  private let paths: [String: String]

  /// - Parameters:
  ///   - membership: the text of /proc/self/cgroup.
  ///   - mounts: of /proc/self/mountinfo.
  init(membership: String, mounts: String) {
    paths = membership.split(separator: "\n").reduce(into: [:]) { paths, line in
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return }
      for controller in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
        paths[String(controller)] = String(parts[2])
      }
    }
    self.mounts = mounts.split(separator: "\n").compactMap { line in
      let halves = line.components(separatedBy: " - ")
      guard halves.count == 2 else { return nil }
      let (left, right) = (halves[0].split(separator: " "), halves[1].split(separator: " "))
      guard left.count >= 5, right.count >= 3, right[0] == "cgroup" || right[0] == "cgroup2" else { return nil }
      return Mount(
        root: Self.unescaped(left[3]), folder: Self.unescaped(left[4]),
        controllers: right[0] == "cgroup2" ? [] : right[2].split(separator: ",").map(String.init))
    }
  }

  /// The folders of the process's group and of those around it, innermost first, with the hierarchy's version.
  func folders(of controller: String) -> [(folder: String, version: Int)] {
    mounts.flatMap { mount -> [(String, Int)] in
      let version = mount.controllers.isEmpty ? 2 : 1
      guard version == 2 || mount.controllers.contains(controller) else { return [] }
      guard let path = paths[version == 2 ? "" : controller] else { return [] }
      // Within a container the group may lie outside of what is mounted: then the mount's own folder is all there is.
      var inner = ""
      if mount.root == "/" {
        inner = path
      } else if path.hasPrefix(mount.root + "/") {
        inner = String(path.dropFirst(mount.root.count))
      }
      var names = inner.split(separator: "/")
      if names.contains("..") { names = [] }
      return (0...names.count).reversed().map { count in
        (([mount.folder] + names.prefix(count).map(String.init)).joined(separator: "/"), version)
      }
    }
  }

  /// Blanks and the like stand as \040 in the list of mounts.
  private static func unescaped(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Substring(text).utf8[...]
    while let byte = rest.first {
      if byte == UInt8(ascii: "\\"), rest.count >= 4,
        let code = UInt8(String(rest.dropFirst().prefix(3)) ?? "", radix: 8)
      {
        bytes.append(code)
        rest = rest.dropFirst(4)
      } else {
        bytes.append(byte)
        rest = rest.dropFirst()
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

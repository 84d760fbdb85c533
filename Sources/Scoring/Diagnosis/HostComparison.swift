import Foundation
import IO
import RunSupport

/// What the ranks' reports say together: what is equal everywhere, what differs, and what is wrong with that.
public struct HostComparison: Sendable {
  /// The memory that a run needs, in bytes.
  public struct Needs: Sendable {
    /// Once a host.
    public var shared: Int
    public var perRank: Int

    public init(shared: Int, perRank: Int) { (self.shared, self.perRank) = (shared, perRank) }
  }

  public private(set) var facts: [Diagnosis.Fact] = []
  public private(set) var problems: [String] = []
  /// What is no mistake, but good to know.
  public private(set) var notes: [String] = []

  /// One host's ranks.
  struct Group {
    let name: String
    let reports: [HostReport]
    /// Its first rank, which read the inputs.
    var first: HostReport { reports[0] }
    var processors: Set<Int> { Set(reports.flatMap(\.processors)) }
    /// The memory still available to the job: where ranks have control groups of their own, all of them together.
    var availableMemory: Int? { reports.compactMap(\.availableMemory).min() }
  }

  private let groups: [Group]
  /// Of each rank.
  private let threads: [Int]
  /// Of all ranks.
  public var totalThreads: Int { threads.reduce(0, +) }
  public var hosts: Int { groups.count }

  /// - Parameters:
  ///   - reports: of all ranks, in their order; at least one.
  ///   - threads: of each rank, as asked for; nil for their shares of the cores.
  ///   - needs: of a run; nil if they aren't known. One rank alone is compared with nothing, and its cores and memory are
  ///     left to whoever knows how many ranks there will be.
  public init(_ reports: [HostReport], threads asked: Int?, needs: Needs?) {
    var order: [String] = []
    var byHost: [String: [HostReport]] = [:]
    for report in reports {
      if byHost[report.host] == nil { order.append(report.host) }
      byHost[report.host, default: []].append(report)
    }
    groups = order.map { Group(name: $0, reports: byHost[$0] ?? []) }
    let claims = reports.map { report in
      ProcessShare.Claim(
        node: report.host, processors: report.processors,
        quota: report.quota.map { ProcessShare.Quota(cores: $0, group: report.quotaGroup) })
    }
    threads = reports.indices.map { asked ?? ProcessShare.threads(of: $0, among: claims) }

    if reports.count > 1 {
      compareSoftware()
      compareCores()
      compareMemory(needs)
    } else {
      note("processor") { $0.first.processor }
    }
    compareLimits(needs)
    compareNetworks()
    compareClocks()
    compareInputs()
    compareOutput()
  }

  // MARK: - Facts

  /// One line where all hosts have the same, one for each value where they differ.
  ///
  /// - Returns: whether all are the same.
  @discardableResult
  private mutating func note(_ name: String, _ value: (Group) -> String?) -> Bool {
    var values: [(value: String, hosts: [String])] = []
    for group in groups {
      guard let value = value(group) else { continue }
      if let index = values.firstIndex(where: { $0.value == value }) {
        values[index].hosts.append(group.name)
      } else {
        values.append((value, [group.name]))
      }
    }
    if values.count == 1, values[0].hosts.count == groups.count {
      facts.append(Diagnosis.Fact(name: name, value: values[0].value))
    } else if !values.isEmpty {
      facts.append(
        Diagnosis.Fact(
          name: name, value: values.map { "\(Self.list($0.hosts)): \($0.value)" }.joined(separator: "; "),
          byHost: values.map { Diagnosis.Fact.Value(hosts: $0.hosts, value: $0.value) }))
    }
    return values.count <= 1
  }

  private static func text(of reports: [HostReport], _ value: (HostReport) -> String) -> String {
    var seen: [String] = []
    for text in reports.map(value) where !seen.contains(text) { seen.append(text) }
    return seen.joined(separator: " and ")
  }

  private mutating func compareSoftware() {
    facts.append(
      Diagnosis.Fact(
        name: "ranks",
        value: "\(groups.reduce(0) { $0 + $1.reports.count }) on \(counted(groups.count, "host"))"))
    for group in groups where group.reports.count(where: { $0.localRank == 0 }) > 1 {
      problems.append(
        "several hosts are called \(group.name): give each a name of its own, or no message can tell them apart")
    }
    if !note("program", { group in Self.text(of: group.reports) { "headimpact " + $0.programVersion } }) {
      problems.append("the hosts have different versions of the program (see \"program\"): a run refuses to start")
    }
    if !note("MPI", { group in Self.text(of: group.reports, \.mpi) }) {
      problems.append("the hosts have different MPI libraries (see \"MPI\"): install the same everywhere")
    }
    let isOneType = note("processor") { $0.first.processor }
    if !note("libraries", { $0.first.arithmetic }) || !isOneType {
      notes.append(
        "the hosts' processors or libraries differ: sums round differently, so the last digits of results may depend on which "
          + "host computes a sample")
    }
  }

  private mutating func compareCores() {
    var ofHost: [String: [Int]] = [:]
    for group in groups { ofHost[group.name] = group.reports.map { threads[$0.rank] } }
    note("cores") { group in
      let cores = group.processors.count
      let machine = group.first.machineProcessors
      let quota = group.reports.compactMap(\.quota).min().map { $0 < Double(cores) ? "; a quota of \($0)" : "" } ?? ""
      let kind = group.first.threadsPerCore > 1 ? ", \(group.first.threadsPerCore) hardware threads a core" : ""
      return (cores < machine ? "\(cores) of \(machine)" : "\(cores)") + quota + kind
    }
    note("ranks x threads") { group in
      let counts = ofHost[group.name] ?? []
      let least = counts.min() ?? 0
      let most = counts.max() ?? 0
      return "\(counts.count) x \(least == most ? "\(least)" : "\(least) to \(most)")"
    }
    note("binding") { group in
      let lists = Set(group.reports.map(\.processors))
      if lists.count == 1 { return "none: all ranks share \(Self.ranges(lists.first ?? []))" }
      return group.reports.map { Self.ranges($0.processors) }.joined(separator: " | ")
    }
    complain { group in
      let wanted = (ofHost[group.name] ?? []).reduce(0, +)
      let quota = group.reports.compactMap(\.quota).min().map { Int($0) } ?? .max
      let cores = max(1, min(group.processors.count, quota))
      guard wanted > max(cores, group.reports.count) || group.reports.count > cores else { return nil }
      return
        "\(group.reports.count) ranks with \(wanted) threads in all are more than the \(counted(cores, "core")) available to them"
    }
    complain { $0.reports.lazy.compactMap(\.bindingAdvice).first }
  }

  /// Adds problems, each with the hosts that have it.
  private mutating func complain(_ problem: (Group) -> String?) {
    var found: [(text: String, hosts: [String])] = []
    for group in groups {
      guard let text = problem(group) else { continue }
      if let index = found.firstIndex(where: { $0.text == text }) {
        found[index].hosts.append(group.name)
      } else {
        found.append((text, [group.name]))
      }
    }
    problems += found.map { "\(Self.list($0.hosts)): \($0.text)" }
  }

  private mutating func compareMemory(_ needs: Needs?) {
    note("memory") { group in
      group.first.memory.map { Self.gibibytes($0) + (group.first.memorySource.map { " (\($0))" } ?? "") }
    }
    let available = groups.compactMap { group in group.availableMemory.map { (group.name, $0) } }
    if let least = available.min(by: { $0.1 < $1.1 }), let most = available.max(by: { $0.1 < $1.1 }) {
      let (low, high) = (Self.gibibytes(least.1), Self.gibibytes(most.1))
      facts.append(
        Diagnosis.Fact(
          name: "available memory",
          value: low == high ? low : "\(low) (\(least.0)) to \(high) (\(most.0))"))
    }
    guard let needs else { return }
    complain { group in
      let needed = needs.shared + group.reports.count * needs.perRank
      guard let available = group.availableMemory, needed > available else { return nil }
      return
        "\(group.reports.count) ranks need about \(Self.gibibytes(needed)) and \(Self.gibibytes(available)) are available: use "
        + "fewer ranks a host"
    }
  }

  private mutating func compareLimits(_ needs: Needs?) {
    note("limits") { group in
      let limits = group.first.limits
      return
        "open files \(limits.openFiles.map(String.init) ?? "unlimited"), address space "
        + "\(limits.addressSpace.map(Self.gibibytes) ?? "unlimited"), locked memory "
        + (limits.lockedMemory.map(Self.size) ?? "unlimited")
    }
    complain { group in
      guard let files = group.reports.compactMap(\.limits.openFiles).min(), files < 256 else { return nil }
      return "ulimit -n allows a rank \(files) open files; it needs at least 256"
    }
    complain { group in
      guard let needs, let limit = group.reports.compactMap(\.limits.addressSpace).min(),
        needs.shared + needs.perRank > limit
      else { return nil }
      return
        "a rank needs about \(Self.gibibytes(needs.shared + needs.perRank)) of address space, and ulimit -v gives it "
        + Self.gibibytes(limit)
    }
    let bound = groups.filter { $0.first.hasInfiniBand && $0.reports.contains { $0.limits.lockedMemory != nil } }
    if !bound.isEmpty {
      notes.append(
        "\(Self.list(bound.map(\.name))): there is InfiniBand, and ulimit -l limits locked memory: MPI may fall back to TCP"
      )
    }
  }

  private mutating func compareNetworks() {
    note("networks") { group in
      let names = group.first.interfaces.map { "\($0.name) \($0.address)/\($0.prefix)" }
      return names.isEmpty ? "none" : names.joined(separator: ", ")
    }
    // One address on several hosts leads MPI from a host to itself.
    var hosts: [String: [(host: String, interface: HostReport.Interface, isAvoided: Bool)]] = [:]
    for group in groups {
      for interface in group.first.interfaces {
        let isAvoided = group.first.avoidedInterfaces.contains(interface.name)
        hosts[interface.address, default: []].append((group.name, interface, isAvoided))
      }
    }
    for (address, uses) in hosts.sorted(by: { $0.key < $1.key }) where uses.count > 1 {
      let names = Set(uses.map(\.interface.name)).sorted().joined(separator: ",")
      let use = "\(names) has the address \(address) on \(Self.list(uses.map(\.host)))"
      if uses.allSatisfy(\.isAvoided) {
        notes.append("\(use); the ranks don't use it")
      } else {
        problems.append(
          "\(use): MPI may take it for a way to another host, and hang. Use mpirun --mca btl_tcp_if_exclude lo,\(names)"
        )
      }
    }
    // The addresses of a subnet that all hosts have.
    if groups.count > 1 {
      let subnets = groups.map { group in
        Set(group.first.interfaces.filter { hosts[$0.address]?.count == 1 }.compactMap(Self.subnet))
      }
      let common = subnets.dropFirst().reduce(subnets[0]) { $0.intersection($1) }
      if common.isEmpty {
        notes.append("the hosts have no network in common: messages between them go through routers")
      }
    }
  }

  private mutating func compareClocks() {
    guard groups.contains(where: { $0.first.clockOffset != nil }) else { return }
    note("clock") { group in
      guard let offset = group.first.clockOffset else { return group.first.rank == 0 ? "the same" : nil }
      return abs(offset) < max(0.05, 2 * (group.first.clockUncertainty ?? 0))
        ? "the same" : String(format: "%+.2f s", offset)
    }
    let reference = groups[0].name
    let off = groups.filter { group in
      group.first.clockOffset.map { abs($0) > 1 + (group.first.clockUncertainty ?? 0) } ?? false
    }
    for group in off {
      notes.append(
        String(
          format: "the clock of %@ is %.1f s %@ that of %@: times in logs and of files don't fit together", group.name,
          abs(group.first.clockOffset ?? 0), (group.first.clockOffset ?? 0) > 0 ? "ahead of" : "behind", reference))
    }
  }

  private mutating func compareInputs() {
    for (name, input) in [("model files", \HostReport.model), ("images", \HostReport.images)] {
      let read = groups.filter { $0.first[keyPath: input] != nil }
      guard !read.isEmpty else { continue }
      note(name) { group in
        switch group.first[keyPath: input] {
        case .found(let summary, let sha256):
          (summary.isEmpty ? "" : summary + ", ") + "SHA-256 \(sha256.prefix(12))…"
        case .failed(let reason): "can't be read: \(reason)"
        case nil: nil
        }
      }
      complain { group in
        if case .failed(let reason) = group.first[keyPath: input] { return "\(name): \(reason)" }
        return nil
      }
      // What most hosts have, or the first of as many, is taken for what was meant.
      let digests = read.compactMap { group in group.first[keyPath: input]?.sha256.map { (group.name, $0) } }
      let counts = Dictionary(grouping: digests, by: \.1).mapValues(\.count)
      guard let meant = digests.first(where: { counts[$0.1] == counts.values.max() })?.1 else { continue }
      let owners = Self.list(digests.filter { $0.1 == meant }.map(\.0))
      complain { group in
        guard let own = group.first[keyPath: input]?.sha256, own != meant else { return nil }
        return "other \(name) than on \(owners) (see \"\(name)\"): use a shared folder, or copy them from there"
      }
    }
  }

  private mutating func compareOutput() {
    guard groups.contains(where: { $0.first.outputFileSystem != nil || $0.first.seesOutput != nil }) else { return }
    note("output's file system") { $0.first.outputFileSystem ?? "unknown" }
    let blind = groups.filter { $0.reports.contains { $0.seesOutput == false } }
    if !blind.isEmpty {
      notes.append(
        "\(Self.list(blind.map(\.name))): don't see the files of \(groups[0].name) in the output's folder. Only rank 0 writes, so "
          + "score, train, generate and ablate work; an experiment doesn't, and launch can't go on if \(groups[0].name) is lost"
      )
    }
  }

  // MARK: - Texts

  static func gibibytes(_ bytes: Int) -> String { String(format: "%.1f GiB", Double(bytes) / 1_073_741_824) }

  /// In MiB below one GiB.
  static func size(_ bytes: Int) -> String {
    bytes < 1 << 30 ? String(format: "%.1f MiB", Double(bytes) / 1_048_576) : gibibytes(bytes)
  }

  /// Up to eight names.
  public static func list(_ hosts: [String]) -> String {
    let shown = hosts.prefix(8).joined(separator: ", ")
    return hosts.count > 8 ? "\(shown) and \(hosts.count - 8) more" : shown
  }

  /// "0-3,8".
  static func ranges(_ numbers: [Int]) -> String {
    var parts: [(Int, Int)] = []
    for number in numbers.sorted() {
      if let last = parts.last, last.1 + 1 == number {
        parts[parts.count - 1].1 = number
      } else {
        parts.append((number, number))
      }
    }
    return parts.map { $0 == $1 ? "\($0)" : "\($0)-\($1)" }.joined(separator: ",")
  }

  private static func subnet(_ interface: HostReport.Interface) -> String? {
    let bytes = interface.address.split(separator: ".").compactMap { UInt32($0) }
    guard bytes.count == 4, (1...32).contains(interface.prefix) else { return nil }
    let number = bytes.reduce(0) { $0 << 8 | $1 }
    return "\(number >> UInt32(32 - interface.prefix))/\(interface.prefix)"
  }
}

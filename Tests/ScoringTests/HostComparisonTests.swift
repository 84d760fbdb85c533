import Testing

@testable import Scoring

@Suite("Hosts compared")
struct HostComparisonTests {
  /// Ranks of hosts with two cores each, all alike.
  private func reports(_ hosts: [String], ranks: Int = 1) -> [HostReport] {
    hosts.enumerated().flatMap { host, name in
      (0..<ranks).map { local in
        var report = HostReport(rank: host * ranks + local, host: name)
        report.localRank = local
        (report.programVersion, report.mpi, report.processor) = ("1.2.3", "Open MPI v4.1.4", "EPYC")
        (report.processors, report.machineProcessors) = ([0, 1], 2)
        (report.memory, report.availableMemory) = (8 << 30, 6 << 30)
        report.limits = HostReport.Limits(openFiles: 1024)
        report.interfaces = [HostReport.Interface(name: "eth0", address: "10.0.0.\(host + 1)", prefix: 24)]
        return report
      }
    }
  }

  private func compare(_ reports: [HostReport], threads: Int? = nil, needs: HostComparison.Needs? = nil)
    -> HostComparison
  {
    HostComparison(reports, threads: threads, needs: needs)
  }

  private func value(_ name: String, _ comparison: HostComparison) -> String? {
    comparison.facts.first { $0.name == name }?.value
  }

  @Test("hosts that are alike take one line each fact, and nothing is wrong")
  func alike() {
    let comparison = compare(reports(["a", "b", "c"], ranks: 2))
    #expect(comparison.problems.isEmpty && comparison.notes.isEmpty, "\(comparison.problems) \(comparison.notes)")
    #expect(value("ranks", comparison) == "6 on 3 hosts" && value("cores", comparison) == "2")
    #expect(value("ranks x threads", comparison) == "2 x 1" && comparison.totalThreads == 6)
    #expect(value("binding", comparison) == "none: all ranks share 0-1")
    #expect(value("memory", comparison) == "8.0 GiB" && value("available memory", comparison) == "6.0 GiB")
    #expect(value("limits", comparison) == "open files 1024, address space unlimited, locked memory unlimited")
    #expect(comparison.facts.filter { $0.byHost != nil }.map(\.name) == ["networks"])
  }

  @Test("a host that differs is named, with its value")
  func differing() throws {
    var list = reports(["a", "b", "c"])
    list[1].programVersion = "1.2.4"
    list[2].processor = "Xeon"
    list[2].memory = 4 << 30
    let comparison = compare(list)
    #expect(value("program", comparison) == "a, c: headimpact 1.2.3; b: headimpact 1.2.4")
    let program = try #require(comparison.facts.first { $0.name == "program" }?.byHost)
    #expect(program.map(\.hosts) == [["a", "c"], ["b"]])
    #expect(value("memory", comparison) == "a, b: 8.0 GiB; c: 4.0 GiB")
    #expect(comparison.problems.count == 1 && comparison.problems[0].contains("versions of the program"))
    #expect(comparison.notes.count == 1 && comparison.notes[0].contains("last digits"))
  }

  @Test("inputs that differ or can't be read name their hosts")
  func inputs() {
    var list = reports(["a", "b", "c"], ranks: 2)
    for index in [0, 2, 4] {
      list[index].model = .found(summary: "", sha256: "0123456789abcdef")
      list[index].images = .found(summary: "3 files", sha256: "fedcba9876543210")
    }
    #expect(compare(list).problems.isEmpty)
    #expect(value("images", compare(list)) == "3 files, SHA-256 fedcba987654…")
    list[2].model = .found(summary: "", sha256: "1123456789abcdef")
    list[4].images = .failed("/images: can't be listed: No such file or directory")
    let comparison = compare(list)
    #expect(value("model files", comparison) == "a, c: SHA-256 0123456789ab…; b: SHA-256 1123456789ab…")
    #expect(comparison.problems.contains { $0.hasPrefix("b: other model files than on a, c") })
    #expect(comparison.problems.contains { $0.hasPrefix("c: images: /images: can't be listed") })
    #expect(comparison.problems.count == 2)
  }

  @Test("more threads than cores, a quota and a binding count on the host where they are")
  func cores() {
    #expect(
      compare(reports(["a", "b"], ranks: 2), threads: 2).problems == [
        "a, b: 2 ranks with 4 threads in all are more than the 2 cores available to them"
      ])
    // One thread a rank can't be fewer, but more ranks than cores are too many.
    #expect(compare(reports(["a"], ranks: 3)).problems.count == 1)
    var list = reports(["a", "b"], ranks: 2)
    (list[0].processors, list[1].processors) = ([0], [1])
    list[3].quota = 1
    list[2].quota = 1
    list[0].bindingAdvice = "bound"
    let comparison = compare(list)
    #expect(value("binding", comparison) == "a: 0 | 1; b: none: all ranks share 0-1")
    #expect(value("cores", comparison) == "a: 2; b: 2; a quota of 1.0")
    #expect(comparison.problems.contains("a: bound"))
    #expect(comparison.problems.contains { $0.hasPrefix("b: 2 ranks with 2 threads in all are more than the 1 core ") })
  }

  @Test("memory that a run lacks, and limits too low for it, are problems of their host")
  func needs() {
    var list = reports(["a", "b"], ranks: 2)
    let needs = HostComparison.Needs(shared: 4 << 30, perRank: 1 << 30)
    #expect(compare(list, needs: needs).problems.isEmpty)
    list[3].availableMemory = 5 << 30
    list[0].limits.addressSpace = 2 << 30
    list[1].limits.openFiles = 64
    let comparison = compare(list, needs: needs)
    #expect(comparison.problems.contains { $0.hasPrefix("b: 2 ranks need about 6.0 GiB and 5.0 GiB are available") })
    #expect(comparison.problems.contains { $0.hasPrefix("a: a rank needs about 5.0 GiB of address space") })
    #expect(comparison.problems.contains { $0.hasPrefix("a: ulimit -n allows a rank 64") })
    #expect(comparison.problems.count == 3)
    #expect(value("available memory", comparison) == "5.0 GiB (b) to 6.0 GiB (a)")
  }

  @Test("one address on several hosts is a problem, unless the ranks avoid its interface")
  func docker() {
    var list = reports(["a", "b"])
    for index in list.indices {
      list[index].interfaces.append(HostReport.Interface(name: "docker0", address: "172.17.0.1", prefix: 16))
    }
    let comparison = compare(list)
    #expect(comparison.problems.count == 1)
    #expect(comparison.problems[0].contains("docker0 has the address 172.17.0.1 on a, b"))
    #expect(comparison.problems[0].contains("--mca btl_tcp_if_exclude lo,docker0"))
    for index in list.indices { list[index].avoidedInterfaces = ["docker0"] }
    #expect(compare(list).problems.isEmpty && compare(list).notes.count == 1)
    // A network of that address isn't one in common.
    list[1].interfaces[0].address = "10.9.0.2"
    #expect(compare(list).notes.contains { $0.contains("no network in common") })
  }

  @Test("clocks that are apart, and an output that others don't see, are noted")
  func clocksAndOutput() {
    var list = reports(["a", "b", "c"])
    (list[1].clockOffset, list[1].clockUncertainty) = (-75, 0.001)
    (list[2].clockOffset, list[2].clockUncertainty) = (0.004, 0.001)
    for index in list.indices { (list[index].outputFileSystem, list[index].seesOutput) = ("nfs4", index != 2) }
    let comparison = compare(list)
    #expect(value("clock", comparison) == "a, c: the same; b: -75.00 s")
    #expect(comparison.notes.contains { $0.hasPrefix("the clock of b is 75.0 s behind that of a") })
    #expect(value("output's file system", comparison) == "nfs4")
    #expect(comparison.notes.contains { $0.hasPrefix("c: don't see the files of a") })
    #expect(comparison.problems.isEmpty)
  }

  @Test("hosts of one name are told apart from one host, and long lists are cut")
  func names() {
    var list = reports(["a", "b"])
    list[1].host = "a"
    #expect(compare(list).problems.contains { $0.hasPrefix("several hosts are called a") })
    #expect(HostComparison.list((0..<10).map { "n\($0)" }) == "n0, n1, n2, n3, n4, n5, n6, n7 and 2 more")
    #expect(HostComparison.ranges([5, 0, 1, 2, 7, 8]) == "0-2,5,7-8")
  }

  @Test("a rank alone is compared with nothing; its cores and memory are told elsewhere")
  func alone() {
    let comparison = compare(reports(["a"]))
    #expect(comparison.facts.map(\.name) == ["processor", "limits", "networks"] && comparison.problems.isEmpty)
  }

  @Test("what the system says of limits, interfaces and file systems is read")
  func system() {
    let limits = HostReport.Limits(
      limits: """
        Limit                     Soft Limit           Hard Limit           Units
        Max locked memory         8388608              8388608              bytes
        Max address space         unlimited            unlimited            bytes
        Max open files            1024                 524288               files
        """)
    #expect(limits == HostReport.Limits(openFiles: 1024, addressSpace: nil, lockedMemory: 8 << 20))
    let all = ["eth0", "docker0", "ib0"]
    func avoided(_ parameters: [String: String]) -> [String] {
      HostReport.avoidedInterfaces(parameters, all: all, byDefault: ["docker0"])
    }
    #expect(avoided([:]) == ["docker0"])
    #expect(avoided(["OMPI_MCA_btl_tcp_if_exclude": "lo"]) == [])
    #expect(avoided(["OMPI_MCA_btl_tcp_if_include": "ib0"]) == ["eth0", "docker0"])
    let mounts = """
      22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
      30 22 0:45 / /data rw - nfs4 server:/data rw
      """
    #expect(OutputFolder.fileSystem(ofDevice: "0:45", mounts: mounts) == "nfs4")
    #expect(OutputFolder.fileSystem(ofDevice: "8:1", mounts: mounts) == "ext4")
    #expect(OutputFolder.fileSystem(ofDevice: "9:9", mounts: mounts) == nil)
  }
}

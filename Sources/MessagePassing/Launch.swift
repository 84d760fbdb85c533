internal import CMPI
import Foundation
import IO

extension Communicator {
  /// The MPI library's own name and version; needs no launcher.
  public static var libraryVersion: String {
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_LIBRARY_VERSION_STRING))
    var length: Int32 = 0
    guard cmpi_library_version(&text, &length) == MPI_SUCCESS else { return "unknown" }
    let version = String(decoding: text.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return version.split(whereSeparator: { $0 == "," || $0 == "\n" }).first.map {
      $0.replacingOccurrences(of: "\t", with: " ")
    } ?? version
  }

  /// The rank that the launcher gave this process, before MPI starts: for messages that only one rank should print. 0
  /// if no launcher sets it, or the process runs alone all the same.
  public static func launchedRank(environment: [String: String] = ProcessInfo.processInfo.environment) -> Int {
    if environment[LaunchEnvironment.override] == "never" { return 0 }
    return LaunchEnvironment.rank(environment) ?? 0
  }

  /// Whether a launcher started this process as one of its ranks.
  public static var isLaunched: Bool {
    LaunchEnvironment.marks.contains { ProcessInfo.processInfo.environment[$0] != nil }
  }

  /// Sees to it that Open MPI's launcher on this host ends in any case, with what it has started. To end a job it waits for
  /// all its hosts to agree: for one that is gone, eight minutes.
  static func endLauncher(after seconds: Int) {
    let launcher = getppid()
    guard ProcessStatus(of: launcher)?.isLauncher == true else { return }
    // Its connections to other hosts, and the ranks on this one. Without /proc only the launcher itself is ended.
    let processes = [launcher] + siblings().keys
    cmpi_kill_after(processes, Int32(processes.count), Int32(seconds))
  }

  /// The other ranks on this host that the same launcher started, by their numbers.
  static func otherRanksHere() -> [Int: ProcessStatus] {
    siblings().reduce(into: [:]) { ranks, process in
      let variables = KernelFile.text("/proc/\(process.key)/environ")?.split(separator: "\0") ?? []
      let environment = Dictionary(
        variables.compactMap { text in
          text.firstIndex(of: "=").map { (String(text[..<$0]), String(text[$0...].dropFirst())) }
        }, uniquingKeysWith: { first, _ in first })
      if let rank = LaunchEnvironment.rank(environment) { ranks[rank] = process.value }
    }
  }

  /// What else this process's launcher started on this host.
  private static func siblings() -> [Int32: ProcessStatus] {
    let launcher = getppid()
    return ProcessStatus.all.filter { $0.key != getpid() && $0.value.parent == launcher }
  }
}

internal import CMPI
import Foundation

extension Communicator {
  /// The MPI library's own name and version; needs no launcher.
  public static var libraryVersion: String {
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_LIBRARY_VERSION_STRING))
    var length: Int32 = 0
    guard cmpi_library_version(&text, &length) == MPI_SUCCESS else { return "unknown" }
    let version = String(decoding: text.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return version.split(whereSeparator: { $0 == "," || $0 == "\n" }).first.map(String.init) ?? version
  }

  /// The rank that the launcher gave this process, before MPI starts: for messages that only one rank should print. 0
  /// if no launcher sets it, or the process runs alone all the same.
  public static func launchedRank(environment: [String: String] = ProcessInfo.processInfo.environment) -> Int {
    if environment[LaunchEnvironment.override] == "never" { return 0 }
    return LaunchEnvironment.ranks.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first ?? 0
  }

  /// Sees to it that Open MPI's launcher on this host ends in any case. To end a job it waits for all its hosts to agree:
  /// for one that is gone, eight minutes.
  static func endLauncher(after seconds: Int) {
    let parent = getppid()
    let name = (try? String(contentsOfFile: "/proc/\(parent)/comm", encoding: .utf8)) ?? ""
    let launchers = ["mpirun", "mpiexec", "orterun", "orted", "prterun", "prte", "prted"]
    guard launchers.contains(name.trimmingCharacters(in: .whitespacesAndNewlines)) else { return }
    cmpi_kill_parent_after(parent, Int32(seconds))
  }

  /// Whether a launcher started this process as one of its ranks.
  public static var isLaunched: Bool {
    LaunchEnvironment.marks.contains { ProcessInfo.processInfo.environment[$0] != nil }
  }
}

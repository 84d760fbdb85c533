internal import CMPI
import Foundation

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
    return LaunchEnvironment.ranks.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first ?? 0
  }

  /// Whether a launcher started this process as one of its ranks.
  public static var isLaunched: Bool {
    LaunchEnvironment.marks.contains { ProcessInfo.processInfo.environment[$0] != nil }
  }

  /// Sees to it that Open MPI's launcher on this host ends in any case, with what it has started. To end a job it waits for
  /// all its hosts to agree: for one that is gone, eight minutes.
  static func endLauncher(after seconds: Int) {
    let launcher = getppid()
    let launchers = ["mpirun", "mpiexec", "orterun", "orted", "prterun", "prte", "prted"]
    guard let name = status(of: "\(launcher)")?.name, launchers.contains(name) else { return }
    // Without /proc only the launcher itself is ended.
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    // Its connections to other hosts, and the ranks on this one.
    let children = all.compactMap { Int32($0) }.filter { $0 != getpid() && status(of: "\($0)")?.parent == launcher }
    let processes = [launcher] + children
    cmpi_kill_after(processes, Int32(processes.count), Int32(seconds))
  }

  /// A process's name and its parent: what is in and behind the brackets of its `stat`.
  private static func status(of process: String) -> (name: String, parent: pid_t)? {
    // A process may have ended since it was listed.
    guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      let start = text.firstIndex(of: "("), let end = text.lastIndex(of: ")")
    else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 1, let parent = pid_t(fields[1]) else { return nil }
    return (String(text[text.index(after: start)..<end]), parent)
  }
}

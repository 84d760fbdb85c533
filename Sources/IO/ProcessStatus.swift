import Foundation

/// What the kernel says of a process: /proc/PID/stat.
public struct ProcessStatus: Equatable, Sendable {
  /// The program's, of at most 15 bytes.
  public let name: String
  /// "R", "S", "T" where it is stopped, "Z" where only its entry is left.
  public let state: String
  public let parent: Int32
  /// When it began, in the kernel's ticks.
  public let start: UInt64

  /// nil if there is no such process, or the system doesn't say.
  public init?(of process: Int32) {
    guard let text = KernelFile.text("/proc/\(process)/stat") else { return nil }
    self.init(stat: text)
  }

  /// - Parameter stat: the text of /proc/PID/stat.
  init?(stat: String) {
    // The name, in parentheses, may hold anything.
    guard let first = stat.firstIndex(of: "("), let last = stat.lastIndex(of: ")"), first < last else { return nil }
    let fields = stat[stat.index(after: last)...].split(separator: " ")
    guard fields.count > 19, let parent = Int32(fields[1]), let start = UInt64(fields[19]) else { return nil }
    name = String(stat[stat.index(after: first)..<last])
    (state, self.parent, self.start) = (String(fields[0]), parent, start)
  }

  /// Whether it has ended, and nobody has asked how.
  public var isDead: Bool { ["Z", "X", "x"].contains(state) }

  /// Whether a signal or a debugger holds it.
  public var isStopped: Bool { ["T", "t"].contains(state) }

  /// Whether it is one of Open MPI's programs that start ranks.
  public var isLauncher: Bool {
    ["mpirun", "mpiexec", "orterun", "orted", "prterun", "prte", "prted"].contains(name)
  }

  /// Whether it is the program by which Slurm watches over a job's processes on a host, and ends them.
  public var isSlurmStep: Bool { name == "slurmstepd" }

  /// All processes that can be seen from here, by their numbers; none without /proc.
  public static var all: [Int32: ProcessStatus] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    // One that has ended since the folder was listed is left out.
    return names.compactMap { Int32($0) }.reduce(into: [:]) { $0[$1] = ProcessStatus(of: $1) }
  }
}

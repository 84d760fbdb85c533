import Foundation

/// Launches a built product of this package, under `mpirun` or alone, and says how it ended.
///
/// Launches of one test process run one after the other, so that ranks of several tests don't fight for the cores.
public struct MPIRun: Sendable {
  /// The exit code; for a process that a signal ended, 128 plus the signal.
  public let exitCode: Int32
  public let standardOutput: String
  public let standardError: String
  /// From launch to end.
  public let seconds: Double
  /// Whether it had to be stopped.
  public let timedOut: Bool

  /// What went wrong with the launch itself, not with what was launched.
  public struct LaunchError: Error, CustomStringConvertible {
    public let description: String
  }

  /// Where the products of this build are: beside the running test program.
  public static var productFolder: URL {
    let program =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(fileURLWithPath: program).deletingLastPathComponent()
  }

  /// Whether Open MPI's `mpirun` crashed once all ranks had ended, as 4.1 does now and then on a busy machine: its exit code
  /// says nothing of the ranks then.
  public var launcherCrashed: Bool { exitCode == 128 + SIGSEGV && standardError.contains("PMIx_server_finalize") }

  /// Runs `product` with `arguments` and waits for its end.
  ///
  /// - Parameters:
  ///   - ranks: how many processes `mpirun` starts; nil runs the product alone, without `mpirun`.
  ///   - timeout: in seconds; then everything is stopped and `timedOut` is true.
  ///   - environment: added to this process's.
  ///   - prefix: a command before the product's, such as `["sh", "-c", "ulimit -f 8; exec \"$@\"", "sh"]`.
  /// - Throws: `LaunchError` where the product or `mpirun` isn't there.
  public static func launch(
    _ product: String, _ arguments: [String] = [], ranks: Int? = nil, timeout: Double = 60,
    environment: [String: String] = [:], prefix: [String] = [], folder: URL? = nil
  ) async throws -> MPIRun {
    let executable = productFolder.appendingPathComponent(product)
    guard FileManager.default.isExecutableFile(atPath: executable.path) else {
      throw LaunchError(description: "\(executable.path) isn't there: build the whole package first (swift build)")
    }
    var command = prefix + [executable.path] + arguments
    if let ranks { command = try mpirun(ranks) + command }
    return try await run(command, timeout: timeout, environment: environment, folder: folder)
  }

  /// Runs any command, looked up in PATH, and waits for its end.
  public static func run(
    _ command: [String], timeout: Double = 60, environment: [String: String] = [:], folder: URL? = nil
  ) async throws -> MPIRun {
    try await withCheckedThrowingContinuation { continuation in
      queue.async {
        continuation.resume(
          with: Result { try runNow(command, timeout: timeout, environment: environment, folder: folder) })
      }
    }
  }

  private static let queue = DispatchQueue(label: "MPIRun")

  /// Of the MPI library that this build uses: where two are installed, `mpirun` may be either's.
  private static func mpirun(_ ranks: Int) throws -> [String] {
    // Foundation's whole-file readers end after the first page of such a file.
    let maps = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/self/maps")).readToEnd() ?? Data()
    if String(decoding: maps, as: UTF8.self).contains("/libmpich.so") {
      return [try find(["mpiexec.mpich", "mpiexec.hydra"], package: "mpich"), "-n", "\(ranks)"]
    }
    let launcher = try find(["mpirun.openmpi", "mpirun"], package: "openmpi-bin")
    let more = geteuid() == 0 ? ["--allow-run-as-root"] : []
    return [launcher, "-np", "\(ranks)", "--oversubscribe", "--bind-to", "none"] + more
  }

  private static func find(_ names: [String], package: String) throws -> String {
    let paths = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    let found = names.first { name in
      paths.contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }
    }
    guard let found else { throw LaunchError(description: "\(names[0]) isn't in PATH: install \(package)") }
    return found
  }

  private static func runNow(
    _ command: [String], timeout: Double, environment: [String: String], folder: URL?
  ) throws -> MPIRun {
    // Into files, not pipes: a grandchild that outlives a killed launcher would keep a pipe open, and the test waiting.
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("mpirun-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: scratch) }
    let output = scratch.appendingPathComponent("output")
    let errors = scratch.appendingPathComponent("errors")
    for file in [output, errors] { try Data().write(to: file) }

    let start = Date()
    let child = try Child(
      command, environment: ProcessInfo.processInfo.environment.merging(environment) { $1 }, folder: folder,
      output: output.path, errors: errors.path)
    let end = child.end(within: timeout)
    let (code, timedOut) = end.map { ($0, false) } ?? (child.stop(), true)
    return MPIRun(
      exitCode: code, standardOutput: String(decoding: try Data(contentsOf: output), as: UTF8.self),
      standardError: String(decoding: try Data(contentsOf: errors), as: UTF8.self),
      seconds: Date().timeIntervalSince(start), timedOut: timedOut)
  }
}

/// A child process. Foundation's `Process` learns of an end by a socket that the child's own children inherit: it waits for
/// the last of them, and longer where a run leaves one behind.
private struct Child {
  private let id: pid_t

  init(_ words: [String], environment: [String: String], folder: URL?, output: String, errors: String) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_APPEND, 0)
    posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_APPEND, 0)
    // Dispatch blocks signals on its threads, which a child would inherit.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    // A shell's background job, or nohup, ignores them.
    for signal in [SIGINT, SIGQUIT, SIGHUP] { sigaddset(&signals, signal) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    let words = (folder.map { ["env", "--chdir=\($0.path)"] } ?? []) + words
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { for text in arguments + variables { free(text) } }
    var id: pid_t = 0
    let code = posix_spawnp(&id, words[0], &actions, &attributes, &arguments, &variables)
    guard code == 0 else {
      throw MPIRun.LaunchError(description: "\(words[0]) can't be started: \(String(cString: strerror(code)))")
    }
    self.id = id
  }

  /// The exit code, or 128 plus the signal; nil if it is still running after so many seconds.
  func end(within seconds: Double) -> Int32? {
    let limit = Date(timeIntervalSinceNow: seconds)
    while true {
      var status: Int32 = 0
      if waitpid(id, &status, WNOHANG) == id {
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + status & 0x7f
      }
      guard Date() < limit else { return nil }
      usleep(2000)
    }
  }

  /// Ends it, and returns its exit code.
  func stop() -> Int32 {
    for signal in [SIGTERM, SIGKILL] {
      kill(id, signal)
      if let code = end(within: 5) { return code }
    }
    return 128 + SIGKILL
  }
}

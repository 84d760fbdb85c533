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
    let libraries = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
    if libraries.contains("/libmpich.so") {
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

  /// Runs `body` without blocked signals, which a child inherits: Dispatch blocks them on its threads.
  private static func withSignals<R>(_ body: () throws -> R) rethrows -> R {
    var (none, before) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    return try body()
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

    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    let (outputHandle, errorHandle) = (try FileHandle(forWritingTo: output), try FileHandle(forWritingTo: errors))
    (process.standardOutput, process.standardError) = (outputHandle, errorHandle)
    if let folder { process.currentDirectoryURL = folder }
    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }
    let start = Date()
    try Self.withSignals { try process.run() }
    var timedOut = false
    if ended.wait(timeout: .now() + timeout) == .timedOut {
      timedOut = true
      process.terminate()
      if ended.wait(timeout: .now() + 5) == .timedOut {
        kill(process.processIdentifier, SIGKILL)
        ended.wait()
      }
    }
    let seconds = Date().timeIntervalSince(start)
    // `Process` outlives this call: without this, a thousand runs hold two thousand files open, and Foundation crashes.
    for handle in [outputHandle, errorHandle] { try handle.close() }
    let code = process.terminationStatus
    return MPIRun(
      exitCode: process.terminationReason == .uncaughtSignal ? 128 + code : code,
      standardOutput: String(decoding: try Data(contentsOf: output), as: UTF8.self),
      standardError: String(decoding: try Data(contentsOf: errors), as: UTF8.self), seconds: seconds, timedOut: timedOut
    )
  }
}

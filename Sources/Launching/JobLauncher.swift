import Foundation

/// Starts a job with `mpirun`, and again on the hosts that are left when a rank or a host is lost.
public struct JobLauncher {
  /// What the user asked for.
  public struct Request: Sendable {
    public var command: MPICommand
    public var hosts: MPICommand.Hosts
    /// The hosts by name; nil if there is no list.
    public var list: HostList?
    /// How often the job is started again, at most.
    public var restarts: Int
    /// From the end of a job to the next start.
    public var pause: Duration

    public init(
      command: MPICommand, hosts: MPICommand.Hosts, list: HostList?, restarts: Int, pause: Duration
    ) {
      self.command = command
      self.hosts = hosts
      self.list = list
      self.restarts = restarts
      self.pause = pause
    }
  }

  private let request: Request
  private let probe: HostProbe
  private let supervisor: Supervisor

  /// - Parameter signals: made before any other thread was started.
  public init(_ request: Request, signals: UserSignals) {
    self.request = request
    probe = HostProbe(agent: request.command.remoteAgent, program: request.command.program)
    supervisor = Supervisor(flavor: request.command.flavor, signals: signals)
  }

  /// Runs the job to its end.
  ///
  /// - Returns: the exit code: the job's own; 75 if the same command with `--resume` continues it.
  /// - Throws: `LaunchError` if `mpirun` or ssh can't be started, or no hostfile can be written.
  public func run() throws -> Int32 {
    let hostfile = FileManager.default.temporaryDirectory.appendingPathComponent(
      "headimpact-hosts-\(getpid())-\(UInt32.random(in: 0...UInt32.max))")
    defer { unlink(hostfile.path) }
    var left = request.list
    var restarts = 0
    while true {
      let end = try start(on: left, hostfile: hostfile, resumes: restarts > 0)
      let (reason, code): (String, Int32)
      switch end.verdict {
      case .ends(let code): return code
      case .restarts(let why, let last): (reason, code) = (why, last)
      case .dependsOnHosts(let ended):
        // Hosts that were lost before have no part in this end.
        guard let lost = try left.map({ try probe.absences(of: $0) }), !lost.isEmpty else { return ended }
        (reason, code) = (
          "mpirun ended with exit code \(ended), and \(lost.keys.sorted().joined(separator: ", ")) can't be used", 75
        )
      }
      guard restarts < request.restarts else {
        say("\(reason); no restart is left of \(request.restarts)")
        return code
      }
      restarts += 1
      let pause = request.pause.components.seconds
      say("restart \(restarts) of \(request.restarts) in \(pause) s: \(reason)")
      if wait(request.pause) { return JobEnd.interrupted }
      guard let found = try findHosts() else { continue }
      left = found.hosts.isEmpty ? left : found
    }
  }

  private func start(on left: HostList?, hostfile: URL, resumes: Bool) throws -> JobEnd {
    var (hosts, ranks) = (request.hosts, request.command.ranks)
    if let left, let all = request.list, left != all {
      ranks = request.command.ranks(on: left, of: all)
      switch request.hosts {
      case .names: hosts = .names(left.names)
      case .file, .unnamed:
        do { try left.hostfile.write(to: hostfile, atomically: true, encoding: .utf8) } catch {
          throw LaunchError("\(hostfile.path): can't be written: \(error.localizedDescription)")
        }
        hosts = .file(hostfile.path)
      }
    }
    let words = request.command.words(hosts: hosts, ranks: ranks, resumes: resumes)
    say(shellText(words))
    return try supervisor.run(words)
  }

  /// The hosts that can be used; nil without a list.
  private func findHosts() throws -> HostList? {
    guard let all = request.list else { return nil }
    let absences = try probe.absences(of: all)
    for host in all.hosts {
      switch absences[host.name] {
      case nil: break
      case .doesNotAnswer: say("\(host.name) does not answer and is left out")
      case .lacksProgram: say("\(host.name) answers, but has no \(request.command.program), and is left out")
      }
    }
    let left = all.without(Set(absences.keys))
    if left.hosts.isEmpty { say("no host answers; trying all the same") }
    return left
  }

  /// - Returns: whether the user stopped the job meanwhile.
  private func wait(_ time: Duration) -> Bool {
    let end = ContinuousClock.now + time
    while true {
      let rest = end - ContinuousClock.now
      guard rest > .zero else { return false }
      if supervisor.signals.next(within: min(rest, .seconds(1))) != nil { return true }
    }
  }
}

/// What `mpirun --version` prints; empty if there is no such program.
///
/// - Throws: `LaunchError` if it can't be started.
public func mpirunVersion(_ mpirun: String) throws -> String {
  let process = Process()
  let output = Pipe()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = [mpirun, "--version"]
  (process.standardInput, process.standardOutput, process.standardError) = (
    FileHandle.nullDevice, output, FileHandle.nullDevice
  )
  do { try process.run() } catch { throw LaunchError("\(mpirun): can't be started: \(error.localizedDescription)") }
  let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  process.waitUntilExit()
  guard process.terminationStatus != 127 else {
    throw LaunchError("\(mpirun) isn't in PATH: load the MPI that this program was built with, or give --mpirun PATH")
  }
  return text
}

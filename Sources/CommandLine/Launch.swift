import ArgumentParser
import Foundation
import IO
import Launching
import MessagePassing

struct Launch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Start another command under mpirun, and again on the hosts that are left if one is lost.",
    discussion: """
      headimpact launch -np 64 --hostfile hosts --map-by ppr:16:node -- score --model Qwen2-VL-2B-Instruct …

      The job starts with this program's absolute path and this shell's PATH, and a host that vanishes is noticed within half \
      a minute. If the job loses a rank or a host, or is interrupted (exit code 75), it is started again with --resume, on the \
      hosts that answer to ssh; the output's folder must be visible on all of them. A failure of the program itself (exit code \
      1) ends it, unless a host no longer answers.

      SIGTERM, SIGINT and SIGUSR1 are passed on: the ranks finish what they must, and launch ends with exit code 75, without \
      a restart. Without --hostfile or --host, mpirun chooses the hosts: this machine, or those of a batch system's \
      allocation. Then no host is left out, and one that is gone makes every restart fail: under Slurm, requeue the job \
      instead (scontrol requeue, when mpirun ends with 75).
      """)

  @Option(
    name: [.customLong("np", withSingleDash: true), .customLong("np")],
    help: ArgumentHelp(
      "Number of ranks (default: as mpirun chooses). On fewer hosts it shrinks as the slots do.", valueName: "n"))
  var ranks: Int?
  @Option(help: ArgumentHelp("The hosts, as for mpirun, by name.", valueName: "file"))
  var hostfile: String?
  @Option(help: ArgumentHelp("The hosts, as for mpirun: node0:16,node1:16.", valueName: "names"))
  var host: String?
  @Option(help: ArgumentHelp("How ranks are placed, as for mpirun.", valueName: "policy"))
  var mapBy: String?
  @Option(help: ArgumentHelp("How often the job is started again, at most.", valueName: "n"))
  var restarts = 3
  @Option(help: ArgumentHelp("Seconds from an end to the next start.", valueName: "seconds"))
  var pause = 30.0
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Further options for mpirun, in one argument: \"--bind-to core --mca btl_tcp_if_include eth0\".",
      valueName: "options"))
  var mpirunOptions = ""
  @Option(help: ArgumentHelp("The mpirun to use.", valueName: "program"))
  var mpirun = "mpirun"
  @Argument(
    parsing: .postTerminator,
    help: "After --: score, train, generate, ablate, experiment or dataset build, with its options.")
  var command: [String] = []

  func validate() throws {
    try Judged.count(ranks, "-np", atMost: 1_000_000)
    guard hostfile == nil || host == nil else { throw ValidationError("Give --hostfile or --host, not both.") }
    try Judged.count(restarts, "--restarts", atLeast: 0, atMost: 1000)
    guard (0...86_400).contains(pause) else {
      throw ValidationError("--pause is \(pause); it must be in 0...86400 seconds.")
    }
    do {
      try MPICommand.check(arguments: command)
      _ = try shellWords(mpirunOptions)
    } catch { throw ValidationError("\(error)") }
  }

  func run() throws {
    let signals = UserSignals()
    guard !Communicator.isLaunched else {
      throw LaunchError("launch starts mpirun itself; don't start it under mpirun or srun")
    }
    let command = try MPICommand(
      mpirun: mpirun, flavor: MPIFlavor(version: try mpirunVersion(mpirun)), ranks: ranks, mapBy: mapBy,
      options: try shellWords(mpirunOptions), program: try ownPath(), arguments: command,
      environment: ProcessInfo.processInfo.environment)
    var hosts = MPICommand.Hosts.unnamed
    var list: HostList?
    if let hostfile {
      hosts = .file(hostfile)
      let text = String(decoding: try InputFile.read(fileURL(hostfile)), as: UTF8.self)
      list = try HostList(hostfile: text, path: hostfile)
    } else if let host {
      hosts = .names(host)
      list = try HostList(names: host)
    }
    let request = JobLauncher.Request(
      command: command, hosts: hosts, list: list, restarts: restarts, pause: .seconds(pause))
    let code = try JobLauncher(request, signals: signals).run()
    if code != 0 { throw ExitCode(code) }
  }

  private func ownPath() throws -> String {
    do { return try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") } catch {
      throw LaunchError("/proc/self/exe: \(reason(of: error)): launch needs the path of its own program")
    }
  }
}

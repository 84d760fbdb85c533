import Testing

@testable import Launching

@Suite("The command that starts a job")
struct MPICommandTests {
  private func command(
    flavor: MPIFlavor = .openMPI(major: 4), ranks: Int? = 8, mapBy: String? = nil, options: [String] = [],
    arguments: [String] = ["score", "--model", "m"], environment: [String: String] = ["PATH": "/bin", "HOME": "/"]
  ) throws -> MPICommand {
    try MPICommand(
      mpirun: "mpirun", flavor: flavor, ranks: ranks, mapBy: mapBy, options: options, program: "/p/headimpact",
      arguments: arguments, environment: environment)
  }

  private let keepalive = [
    "--mca", "oob_tcp_keepalive_time", "10", "--mca", "oob_tcp_keepalive_intvl", "3", "--mca",
    "oob_tcp_keepalive_probes", "3", "--mca", "plm_rsh_args",
    "-o ConnectTimeout=20 -o ServerAliveInterval=5 -o ServerAliveCountMax=4",
  ]

  @Test("ranks get the absolute path, PATH, libraries and this program's variables; a restart gets --resume")
  func words() throws {
    let command = try command(
      mapBy: "ppr:2:node", options: ["--bind-to", "core"],
      environment: ["PATH": "/bin", "LD_LIBRARY_PATH": "/l", "HEADIMPACT_BACKTRACE": "1", "HOME": "/"])
    let start =
      ["mpirun", "-np", "8", "--hostfile", "h", "--map-by", "ppr:2:node", "-x", "HEADIMPACT_BACKTRACE", "-x"]
      + ["LD_LIBRARY_PATH", "-x", "PATH"] + keepalive + ["--bind-to", "core", "/p/headimpact", "score", "--model", "m"]
    #expect(command.words(hosts: .file("h"), ranks: 8, resumes: false) == start)
    #expect(command.words(hosts: .file("h"), ranks: 8, resumes: true) == start + ["--resume"])
  }

  @Test("what the user set himself isn't set again")
  func given() throws {
    let command = try command(
      options: ["-x", "PATH=/other", "--mca", "oob_tcp_keepalive_time", "60"],
      environment: [
        "PATH": "/bin", "OMPI_MCA_oob_tcp_keepalive_probes": "9", "OMPI_MCA_plm_rsh_agent": "/opt/agent",
      ])
    #expect(
      command.words(hosts: .unnamed, ranks: nil, resumes: false) == [
        "mpirun", "--mca", "oob_tcp_keepalive_intvl", "3", "-x", "PATH=/other", "--mca", "oob_tcp_keepalive_time", "60",
        "/p/headimpact", "score", "--model", "m",
      ])
  }

  @Test("each mpirun is told only what it understands")
  func flavors() throws {
    let five = try command(flavor: .openMPI(major: 5)).words(hosts: .names("a:2"), ranks: 2, resumes: false)
    #expect(five.contains("--prtemca") && !five.contains("--mca") && five.contains("--host"))
    let hydra = try command(flavor: .hydra).words(hosts: .file("h"), ranks: 2, resumes: false)
    #expect(hydra == ["mpirun", "-np", "2", "-f", "h", "/p/headimpact", "score", "--model", "m"])
    let unknown = try command(flavor: .unknown).words(hosts: .unnamed, ranks: nil, resumes: false)
    #expect(unknown == ["mpirun", "/p/headimpact", "score", "--model", "m"])
    #expect(MPIFlavor(version: "mpirun (Open MPI) 4.1.4\n\nReport bugs …") == .openMPI(major: 4))
    #expect(MPIFlavor(version: "mpirun (Open MPI) 5.0.8") == .openMPI(major: 5))
    #expect(MPIFlavor(version: "HYDRA build details:\n    Version: 4.0.2") == .hydra)
    #expect(MPIFlavor(version: "") == .unknown)
  }

  @Test(
    "--resume goes to the verbs that know it, once",
    arguments: [
      (["train"], true), (["dataset", "build"], true), (["experiment", "e.yaml"], true), (["ablate"], true),
      (["generate", "--resume"], false), (["doctor"], false),
    ])
  func resume(arguments: [String], adds: Bool) throws {
    let words = try command(arguments: arguments).words(hosts: .unnamed, ranks: nil, resumes: true)
    #expect(Array(words.suffix(arguments.count + (adds ? 1 : 0))) == arguments + (adds ? ["--resume"] : []))
  }

  @Test("ranks shrink as the slots do, or as the hosts do where slots don't limit them")
  func shrinking() throws {
    let all = try HostList(names: "a:4,b:4,c:4,d:4")
    let three = all.without(["b"])
    #expect(try command(ranks: 16).ranks(on: three, of: all) == 12)
    #expect(try command(ranks: 9).ranks(on: three, of: all) == 9)
    #expect(try command(ranks: 16).ranks(on: all, of: all) == 16)
    #expect(try command(ranks: nil).ranks(on: three, of: all) == nil)
    // Two a host, whatever the slots.
    #expect(try command(ranks: 8, mapBy: "ppr:2:node:PE=2").ranks(on: three, of: all) == 6)
    // More ranks than slots stay in proportion.
    #expect(try command(ranks: 32).ranks(on: three, of: all) == 24)
    let unstated = try HostList(hostfile: "a\nb\nc\nd\n", path: "h")
    #expect(try command(ranks: 64).ranks(on: unstated.without(["d"]), of: unstated) == 48)
    #expect(try command(ranks: 2).ranks(on: unstated.without(["b", "c", "d"]), of: unstated) == 1)
  }

  @Test("options that change from start to start belong to launch", arguments: ["-np", "--hostfile", "-H", "--map-by"])
  func own(option: String) throws {
    let error = try #require(throws: LaunchError.self) { try command(options: [option, "x"]) }
    #expect(error.description.hasPrefix(option))
  }

  @Test("hosts are asked the way that mpirun goes")
  func agent() throws {
    #expect(try command().remoteAgent == ["ssh"])
    #expect(
      try command(environment: ["OMPI_MCA_plm_rsh_agent": "ssh -F conf : rsh"]).remoteAgent == ["ssh", "-F", "conf"])
    #expect(
      try command(
        options: ["--mca", "plm_rsh_agent", "/opt/agent"], environment: ["OMPI_MCA_plm_rsh_agent": "ssh"]
      ).remoteAgent == ["/opt/agent"])
    #expect(
      try command(environment: ["OMPI_MCA_plm_rsh_args": "-p 2222  -l bob"]).remoteAgent
        == ["ssh", "-p", "2222", "-l", "bob"])
    #expect(
      try command(options: ["--mca", "plm_rsh_args", "-p 2222", "--mca", "plm_rsh_agent", "/opt/agent"]).remoteAgent
        == ["/opt/agent", "-p", "2222"])
    let host = try HostList(hostfile: "bob@a", path: "h").hosts[0]
    #expect(
      HostProbe(agent: ["ssh", "-F", "c"], program: "/a b").command(for: host) == [
        "ssh", "-F", "c", "-x", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "bob@a", "test -x '/a b'",
      ])
    #expect(
      HostProbe(agent: ["/opt/agent"], program: "/p").command(for: host) == ["/opt/agent", "bob@a", "test -x /p"])
  }

  @Test("options in one argument are split as a shell does, and printed as a shell needs them")
  func shell() throws {
    #expect(try shellWords("") == [] && shellWords("  a  b ") == ["a", "b"])
    #expect(try shellWords(#"--mca x 'a b' "c \"d" e\ f ''"#) == ["--mca", "x", "a b", "c \"d", "e f", ""])
    #expect(throws: LaunchError.self) { try shellWords("'a") }
    let words = ["a", "b c", "", "d'e", "$x", "--f=1,2"]
    #expect(shellText(words) == #"a 'b c' '' 'd'\''e' '$x' --f=1,2"#)
    #expect(try shellWords(shellText(words)) == words)
  }

  @Test("only commands that run under mpirun are launched")
  func verbs() throws {
    for arguments in [["score"], ["dataset", "build"], ["doctor"]] { try MPICommand.check(arguments: arguments) }
    for arguments in [[], ["select"], ["dataset", "check"], ["launch"], ["--model"]] {
      #expect(throws: LaunchError.self) { try MPICommand.check(arguments: arguments) }
    }
  }
}

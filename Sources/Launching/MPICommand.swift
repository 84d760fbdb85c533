import Foundation

/// The command that starts the job: what the user asked for, and what a job on several hosts needs besides.
public struct MPICommand: Sendable {
  /// `mpirun`, as a name to look up in PATH or as a path.
  public let mpirun: String
  public let flavor: MPIFlavor
  /// How many ranks; nil leaves that to `mpirun`.
  public let ranks: Int?
  /// As for `mpirun --map-by`.
  public let mapBy: String?
  /// Further options for `mpirun`, as the user wrote them.
  public let options: [String]
  /// The absolute path of this program: ssh's shell has another PATH.
  public let program: String
  /// The program's arguments, from the verb on.
  public let arguments: [String]
  let environment: [String: String]

  /// Where `mpirun` finds the hosts.
  public enum Hosts: Sendable, Equatable {
    /// This machine only, or those of a batch system's allocation.
    case unnamed
    case file(String)
    /// As for `--host`.
    case names(String)
  }

  /// - Throws: `LaunchError` if an option for `mpirun` is one of launch's own.
  public init(
    mpirun: String, flavor: MPIFlavor, ranks: Int?, mapBy: String?, options: [String], program: String,
    arguments: [String], environment: [String: String]
  ) throws {
    let own = ["np", "n", "c", "hostfile", "machinefile", "host", "H", "hosts", "f", "map-by"]
    for option in options where option.hasPrefix("-") {
      let name = String(option.drop { $0 == "-" })
      guard !own.contains(name) else {
        throw LaunchError(
          "\(option) is among the options for mpirun, but launch has to know it: give it before --, as -np, --hostfile, "
            + "--host or --map-by")
      }
    }
    guard mapBy == nil || flavor != .hydra else {
      throw LaunchError("--map-by is Open MPI's, and \(mpirun) is MPICH's: give -ppn in --mpirun-options")
    }
    self.mpirun = mpirun
    self.flavor = flavor
    self.ranks = ranks
    self.mapBy = mapBy
    self.options = options
    self.program = program
    self.arguments = arguments
    self.environment = environment
  }

  /// The words of the command.
  ///
  /// - Parameters:
  ///   - ranks: of this start.
  ///   - resumes: whether the job continues an earlier one.
  public func words(hosts: Hosts, ranks: Int?, resumes: Bool) -> [String] {
    var words = [mpirun]
    if let ranks { words += ["-np", "\(ranks)"] }
    switch hosts {
    case .unnamed: break
    case .file(let path): words += [flavor == .hydra ? "-f" : "--hostfile", path]
    case .names(let names): words += [flavor == .hydra ? "-hosts" : "--host", names]
    }
    if let mapBy { words += ["--map-by", mapBy] }
    words += exports + daemonParameters + options
    words.append(program)
    guard resumes, needsResume else { return words + arguments }
    // What the first start replaced is the output to go on with.
    return words + arguments.filter { $0 != "--overwrite" } + ["--resume"]
  }

  /// The ranks that fit on the hosts that are left: as many as there were, but no more than their slots, at least one.
  ///
  /// Where slots aren't stated, or don't limit the ranks, the ranks shrink as the hosts do.
  public func ranks(on left: HostList, of all: HostList) -> Int? {
    guard let ranks, left.hosts.count < all.hosts.count else { return ranks }
    let isPerResource = mapBy?.hasPrefix("ppr:") ?? options.contains("-ppn")
    if !isPerResource, let slots = all.slots, let slotsLeft = left.slots {
      return max(1, ranks <= slots ? min(ranks, slotsLeft) : ranks * slotsLeft / slots)
    }
    return max(1, ranks * left.hosts.count / all.hosts.count)
  }

  /// How `mpirun` reaches other hosts, as words: the user's agent, or ssh, with the options that the user gives it.
  public var remoteAgent: [String] {
    let given = setting(["plm_rsh_agent", "orte_rsh_agent", "plm_ssh_agent", "pls_rsh_agent"])
    // "ssh : rsh" is a choice.
    let first = given?.split(separator: ":").first.map { $0.split(whereSeparator: \.isWhitespace).map(String.init) }
    let agent = first.flatMap { $0.isEmpty ? nil : $0 } ?? ["ssh"]
    // Without them ("-p 2222") a host that mpirun reaches might not answer launch.
    return agent
      + (setting(["plm_rsh_args", "plm_ssh_args"]) ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
  }

  /// What the user sets the first of these parameters to, by options or else by the environment.
  private func setting(_ names: [String]) -> String? {
    names.lazy.compactMap { parameter($0) }.first
      ?? names.lazy.flatMap { ["OMPI_MCA_" + $0, "PRTE_MCA_" + $0] }.compactMap { environment[$0] }.first
  }

  /// `--resume` for the verbs that know it.
  private var needsResume: Bool {
    !arguments.contains("--resume")
      && (Self.resumable.contains(arguments.first ?? "") || Array(arguments.prefix(2)) == ["dataset", "build"])
  }

  private static let resumable: Set = ["score", "train", "generate", "ablate", "experiment"]

  /// - Throws: `LaunchError` if the command isn't one that runs under `mpirun`.
  public static func check(arguments: [String]) throws {
    guard let verb = arguments.first else {
      throw LaunchError("what is to be launched comes after --: headimpact launch -np 4 -- score --model …")
    }
    guard resumable.contains(verb) || verb == "doctor" || Array(arguments.prefix(2)) == ["dataset", "build"] else {
      throw LaunchError(
        "\"\(verb)\" doesn't run under mpirun; score, train, generate, ablate, experiment, dataset build and doctor do")
    }
  }

  /// Variables that the ranks need and ssh's shell doesn't set.
  private var exports: [String] {
    guard flavor.isOpenMPI else { return [] }
    let names = environment.keys.filter { ["PATH", "LD_LIBRARY_PATH"].contains($0) || $0.hasPrefix("HEADIMPACT_") }
    let given = zip(options, options.dropFirst()).filter { $0.0 == "-x" }.map { $0.1.prefix { $0 != "=" } }
    return names.sorted().filter { !given.contains($0[...]) }.flatMap { ["-x", $0] }
  }

  /// What makes `mpirun` notice within half a minute that a host has vanished, instead of after many.
  ///
  /// TCP's keepalive asks only on a connection where nothing is on its way; with something on its way, TCP sends it anew
  /// for a quarter of an hour. ssh asks in any case.
  private var daemonParameters: [String] {
    guard case .openMPI(let major) = flavor else { return [] }
    let isNew = major >= 5
    var parameters = [
      ("oob_tcp_keepalive_time", "10"), ("oob_tcp_keepalive_intvl", "3"), ("oob_tcp_keepalive_probes", "3"),
    ]
    if usesSSH {
      parameters.append(
        (
          isNew ? "plm_ssh_args" : "plm_rsh_args",
          "-o ConnectTimeout=20 -o ServerAliveInterval=5 -o ServerAliveCountMax=4"
        ))
    }
    return parameters.filter { name, _ in
      parameter(name) == nil && environment["OMPI_MCA_" + name] == nil && environment["PRTE_MCA_" + name] == nil
    }.flatMap { [isNew ? "--prtemca" : "--mca", $0, $1] }
  }

  /// Whether the agent is ssh, which understands its options.
  var usesSSH: Bool { URL(fileURLWithPath: remoteAgent[0]).lastPathComponent == "ssh" }

  /// What the user's options set a parameter to.
  private func parameter(_ name: String) -> String? {
    guard let index = options.firstIndex(of: name), index > 0, options[index - 1].hasSuffix("mca"),
      index + 1 < options.count
    else { return nil }
    return options[index + 1]
  }
}

/// Words as a shell reads them: quotes hold words together, a backslash the next character.
///
/// - Throws: `LaunchError` if a quote isn't closed.
public func shellWords(_ text: String) throws -> [String] {
  var words: [String] = []
  var word: String?
  var quote: Character?
  var rest = text[...]
  while let character = rest.popFirst() {
    switch (quote, character) {
    case (nil, _) where character.isWhitespace:
      if let finished = word { words.append(finished) }
      word = nil
    case (nil, "'"), (nil, "\""):
      quote = character
      word = word ?? ""
    case (.some(let open), character) where open == character: quote = nil
    case (nil, "\\"), ("\"", "\\"): word = (word ?? "") + (rest.popFirst().map(String.init) ?? "\\")
    default: word = (word ?? "") + String(character)
    }
  }
  guard quote == nil else { throw LaunchError("\(text): a quote isn't closed") }
  return words + (word.map { [$0] } ?? [])
}

/// Words as a shell must be told them.
public func shellText(_ words: [String]) -> String {
  words.map { word in
    let isPlain = !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || "@%+=:,./_-".contains($0) }
    return isPlain ? word : "'" + word.replacingOccurrences(of: "'", with: #"'\''"#) + "'"
  }.joined(separator: " ")
}

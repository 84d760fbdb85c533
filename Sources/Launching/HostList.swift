import Foundation

/// A host on which ranks may run.
public struct Host: Sendable, Equatable {
  /// The name, without the user's.
  public let name: String
  /// Whom to log in as; nil for the user who starts the job.
  public let user: String?
  /// How many ranks the list gives it; nil if it leaves that to `mpirun`.
  public internal(set) var slots: Int?
  /// What the list says about it, as written.
  public internal(set) var lines: [String]

  /// What ssh connects to.
  public var login: String { user.map { "\($0)@\(name)" } ?? name }
}

/// The hosts of a job, in the order of the list; each one once.
public struct HostList: Sendable, Equatable {
  public internal(set) var hosts: [Host]

  public init(_ hosts: [Host]) { self.hosts = hosts }

  /// Reads a hostfile of Open MPI, or of MPICH (`name:slots`).
  ///
  /// A line that repeats a host adds to its slots, one if it states none.
  /// - Parameter path: for errors.
  /// - Throws: `LaunchError` naming file and line.
  public init(hostfile text: String, path: String) throws {
    var list = HostList([])
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in lines.enumerated() {
      do {
        if let host = try Self.host(ofLine: String(line)) { list.add(host) }
      } catch let error as LaunchError {
        throw LaunchError("\(path), line \(index + 1): \(error)")
      }
    }
    guard !list.hosts.isEmpty else { throw LaunchError("\(path): names no host") }
    self = list
  }

  /// Reads the value of `--host`: `node0:16,node1:16`. A name without a number is one slot.
  ///
  /// - Throws: `LaunchError`
  public init(names text: String) throws {
    var list = HostList([])
    for name in text.split(separator: ",", omittingEmptySubsequences: false) {
      var host = try Self.host(named: String(name), line: String(name))
      // "node0:*" leaves the number to mpirun.
      if host.slots == nil, !name.hasSuffix(":*") { host.slots = 1 }
      list.add(host)
    }
    self = list
  }

  /// The slots of all hosts; nil if the list leaves some to `mpirun`.
  public var slots: Int? { hosts.reduce(0) { sum, host in sum.flatMap { sum in host.slots.map { sum + $0 } } } }

  /// The list without some hosts.
  public func without(_ lost: Set<String>) -> HostList { HostList(hosts.filter { !lost.contains($0.name) }) }

  /// The text of a hostfile of these hosts.
  public var hostfile: String { hosts.flatMap(\.lines).map { $0 + "\n" }.joined() }

  /// The value of `--host` for these hosts.
  public var names: String { hosts.flatMap(\.lines).joined(separator: ",") }

  private mutating func add(_ host: Host) {
    guard let index = hosts.firstIndex(where: { $0.name == host.name }) else { return hosts.append(host) }
    hosts[index].slots = (hosts[index].slots ?? 1) + (host.slots ?? 1)
    hosts[index].lines += host.lines
  }

  /// - Returns: nil for an empty line and for a comment.
  private static func host(ofLine line: String) throws -> Host? {
    let content = line.prefix { $0 != "#" }
    // Open MPI allows blanks around the equals sign.
    let joined = content.replacing(/\s*=\s*/, with: "=")
    let words = joined.split(whereSeparator: \.isWhitespace).map(String.init)
    guard let first = words.first else { return nil }
    let named = try host(named: first, line: content.trimmingCharacters(in: .whitespaces))
    var (user, slots) = (named.user, named.slots)
    for word in words.dropFirst() {
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { continue }
      let value = parts[1].trimmingCharacters(in: CharacterSet(charactersIn: "\"'"))
      switch parts[0].lowercased().replacingOccurrences(of: "_", with: "-") {
      case "slots", "cpu", "cpus", "count": slots = value == "auto" ? nil : try number(value, of: word)
      case "max-slots", "slots-max": _ = try number(value, of: word)
      case "username", "user-name": user = value
      // Sockets, cores, ports: mpirun's business.
      default: break
      }
    }
    return Host(name: named.name, user: user, slots: slots, lines: named.lines)
  }

  /// `user@name:slots`.
  private static func host(named text: String, line: String) throws -> Host {
    var rest = text.trimmingCharacters(in: CharacterSet(charactersIn: "\"'"))[...]
    var user: String?
    if let at = rest.firstIndex(of: "@") {
      user = String(rest[..<at])
      rest = rest[rest.index(after: at)...]
    }
    var slots: Int?
    // An IPv6 address has more than one colon.
    if rest.count(where: { $0 == ":" }) == 1, let colon = rest.firstIndex(of: ":") {
      let count = String(rest[rest.index(after: colon)...])
      if count != "*" { slots = try number(count, of: text) }
      rest = rest[..<colon]
    }
    guard let first = rest.first, first.isLetter || first.isNumber || first == "[" || first == ":", user != "" else {
      throw LaunchError(
        "\"\(text)\" is no host's name; launch has to know each host by its name, so +n0 and ^name have no place here")
    }
    return Host(name: String(rest), user: user, slots: slots, lines: [line])
  }

  private static func number(_ text: String, of word: String) throws -> Int {
    guard let value = Int(text), (1...1_000_000).contains(value) else {
      throw LaunchError("\(word): the number of slots must be a whole number from 1 on")
    }
    return value
  }
}

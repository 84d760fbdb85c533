import Foundation

/// Asks hosts whether they can run the program.
struct HostProbe {
  /// Why a host can't be used.
  enum Absence: Equatable {
    case doesNotAnswer
    case lacksProgram
  }

  /// How `mpirun` reaches them.
  let agent: [String]
  let program: String
  /// For all that are asked at once.
  var limit = Duration.seconds(20)
  /// The names and addresses of this machine.
  var localNames = LocalNames.all

  /// The hosts that can't be used, by name. This machine isn't asked.
  func absences(of list: HostList) throws -> [String: Absence] {
    var found: [String: Absence] = [:]
    var rest = list.hosts.filter { !isLocal($0.name) }[...]
    while !rest.isEmpty {
      let batch = rest.prefix(64)
      rest = rest.dropFirst(64)
      for (name, absence) in try ask(Array(batch)) { found[name] = absence }
    }
    return found
  }

  func command(for host: Host) -> [String] {
    let isSSH = URL(fileURLWithPath: agent[0]).lastPathComponent == "ssh"
    let options = isSSH ? ["-x", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"] : []
    return agent + options + [host.login, "test -x \(shellText([program]))"]
  }

  private func ask(_ hosts: [Host]) throws -> [(String, Absence)] {
    var open = try hosts.map { (host: $0, child: try ChildProcess(command(for: $0), standardError: nil)) }
    var found: [(String, Absence)] = []
    let end = ContinuousClock.now + limit
    while !open.isEmpty, ContinuousClock.now < end {
      open.removeAll { host, child in
        guard let end = child.poll() else { return false }
        if end == .exited(1) {
          found.append((host.name, .lacksProgram))
        } else if end != .exited(0) {
          found.append((host.name, .doesNotAnswer))
        }
        return true
      }
      usleep(20_000)
    }
    for (host, child) in open {
      found.append((host.name, .doesNotAnswer))
      child.killTree()
      while child.poll() == nil { usleep(5_000) }
    }
    return found
  }

  private func isLocal(_ name: String) -> Bool {
    localNames.contains(name) || localNames.contains(String(name.prefix { $0 != "." }))
      || LocalNames.addresses(of: name).contains(where: localNames.contains)
  }
}

/// What this machine is called.
enum LocalNames {
  static var all: Set<String> {
    var names: Set = ["localhost", "127.0.0.1", "::1"]
    var buffer = [CChar](repeating: 0, count: 256)
    if gethostname(&buffer, buffer.count - 1) == 0 {
      let name = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      names.formUnion([name, String(name.prefix { $0 != "." })])
    }
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return names }
    defer { freeifaddrs(list) }
    var next = list
    while let interface = next {
      if let address = interface.pointee.ifa_addr, let text = text(of: address) { names.insert(text) }
      next = interface.pointee.ifa_next
    }
    return names
  }

  /// The addresses of a name; none if it isn't known.
  static func addresses(of name: String) -> [String] {
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(name, nil, nil, &list) == 0 else { return [] }
    defer { freeaddrinfo(list) }
    return sequence(first: list, next: { $0?.pointee.ai_next }).compactMap { $0?.pointee.ai_addr.flatMap(text) }
  }

  private static func text(of address: UnsafeMutablePointer<sockaddr>) -> String? {
    let family = Int32(address.pointee.sa_family)
    guard family == AF_INET || family == AF_INET6 else { return nil }
    let size = family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
    var buffer = [CChar](repeating: 0, count: 128)
    guard getnameinfo(address, socklen_t(size), &buffer, socklen_t(buffer.count), nil, 0, NI_NUMERICHOST) == 0 else {
      return nil
    }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

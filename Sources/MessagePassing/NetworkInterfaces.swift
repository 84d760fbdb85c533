import Foundation

/// Network interfaces that lead to no other host: those that containers and virtual machines make.
///
/// Docker gives its `docker0` the same address on every host. Open MPI takes it for a network that the hosts share, sends to
/// itself, and waits for ever.
public enum NetworkInterfaces {
  /// This host's interfaces that messages between ranks never use, in alphabetical order. Empty if no other interface has
  /// an address.
  public static var excluded: [String] { excluded(among: interfaces()) }

  /// An interface with an IPv4 address.
  public struct Interface: Equatable, Sendable {
    public let name: String
    /// Whether it is the host's own loop.
    public let isLoopback: Bool
    public var isUp = true
    /// The most significant byte first.
    public var address: UInt32 = 0
    /// The bits of the address that name the network.
    public var prefix = 32
  }

  static func excluded(among interfaces: [Interface]) -> [String] {
    let others = interfaces.filter { !$0.isLoopback }
    let local = others.filter { isVirtual($0.name) }
    return local.count < others.count ? Set(local.map(\.name)).sorted() : []
  }

  /// Bridges and ends of containers and virtual machines, by the names that their makers give them. A bridge that an
  /// administrator made (`br0`) may be the host's way out.
  static func isVirtual(_ name: String) -> Bool {
    let makers = [
      "docker", "podman", "cni", "flannel", "cali", "weave", "nerdctl", "veth", "virbr", "lxcbr", "lxdbr", "vmnet",
      "vboxnet",
    ]
    if makers.contains(where: { name.hasPrefix($0) }) { return true }
    // Docker's further networks: br- and the beginning of a digest.
    return name.hasPrefix("br-") && name.count == 15 && name.dropFirst(3).allSatisfy(\.isHexDigit)
  }

  /// This host's interfaces; none if the system doesn't tell.
  public static func interfaces() -> [Interface] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return [] }
    defer { freeifaddrs(list) }
    var found: [Interface] = []
    var next = list
    while let entry = next?.pointee {
      next = entry.ifa_next
      guard let address = entry.ifa_addr, Int32(address.pointee.sa_family) == AF_INET else { continue }
      found.append(
        Interface(
          name: String(cString: entry.ifa_name), isLoopback: entry.ifa_flags & UInt32(IFF_LOOPBACK) != 0,
          isUp: entry.ifa_flags & UInt32(IFF_UP) != 0, address: ipv4(address),
          prefix: entry.ifa_netmask.map { ipv4($0).nonzeroBitCount } ?? 32))
    }
    return found
  }

  private static func ipv4(_ address: UnsafeMutablePointer<sockaddr>) -> UInt32 {
    address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { UInt32(bigEndian: $0.pointee.sin_addr.s_addr) }
  }
}

import Foundation

/// Which process on which machine: enough to find out later whether it is gone.
public struct ProcessMark: Codable, Equatable, Sendable {
  public let host: String
  /// What the machine's kernel calls itself since it was started; nil if the system doesn't say.
  public let boot: String?
  /// Process ids count only within it: containers on one machine have their own. nil if the system doesn't say.
  public let namespace: String?
  public let process: Int32
  /// When the process began, in the kernel's ticks; nil if the system doesn't say.
  public let start: UInt64?

  private enum CodingKeys: String, CodingKey {
    case host
    case boot = "boot_id"
    case namespace = "pid_namespace"
    case process = "pid"
    case start = "start_time"
  }

  public init(host: String, boot: String?, namespace: String?, process: Int32, start: UInt64?) {
    (self.host, self.boot, self.namespace, self.process, self.start) = (host, boot, namespace, process, start)
  }

  /// This process.
  public static var current: ProcessMark {
    ProcessMark(
      host: machine.host, boot: machine.boot, namespace: machine.namespace, process: getpid(),
      start: ProcessStatus(of: getpid())?.start)
  }

  private static let machine: (host: String, boot: String?, namespace: String?) = {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return (
      host, KernelFile.text("/proc/sys/kernel/random/boot_id")?.trimmingCharacters(in: .whitespacesAndNewlines),
      target(of: "/proc/self/ns/pid")
    )
  }()

  /// A short name of the machine and its process ids' namespace, of hexadecimal digits.
  public var machineKey: String {
    var hash: UInt32 = 2_166_136_261
    for byte in "\(host)\0\(boot ?? "")\0\(namespace ?? "")".utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
    return String(hash, radix: 16)
  }

  /// Whether the process has ended; nil if it can't be seen from here: it is of another machine, or of one before its
  /// last start, or of another container.
  ///
  /// - Parameter here: the process that looks.
  public func isGone(seenFrom here: ProcessMark = .current) -> Bool? {
    guard boot != nil, namespace != nil, host == here.host, boot == here.boot, namespace == here.namespace else {
      return nil
    }
    return Self.isGone(process, start: start)
  }

  /// Whether a process of this machine has ended.
  static func isGone(_ process: Int32, start: UInt64?) -> Bool {
    if kill(process, 0) != 0, errno == ESRCH { return true }
    // Another user's process may be hidden: it is there.
    guard let status = ProcessStatus(of: process) else { return false }
    if status.isDead { return true }
    guard let start else { return false }
    return status.start != start
  }

  private static func target(of link: String) -> String? {
    do { return try FileManager.default.destinationOfSymbolicLink(atPath: link) } catch { return nil }
  }
}

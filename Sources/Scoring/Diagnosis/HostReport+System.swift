import Foundation
import IO
import Kernels
import MessagePassing
import RunSupport
import Safetensors
import VisionLanguage

extension HostReport {
  /// Of this process. Fails nowhere: what can't be read is left out, or says so.
  ///
  /// The inputs are read by the first rank of each host.
  init(of world: Communicator, model: URL?, chatTemplate: URL?, images: URL?) {
    self.init(rank: world.rank, host: world.processorName)
    localRank = world.localRank
    programVersion = JobDefaults.programVersion
    mpi = Communicator.libraryVersion
    arithmetic = ProductInstructions.description
    (processor, threadsPerCore) = Self.processor()
    let share = ProcessShare.current
    (processors, machineProcessors) = (share.processors, share.machineProcessors)
    (quota, quotaGroup) = (share.quota?.cores, share.quota?.group ?? "")
    bindingAdvice = ProcessShare.bindingAdvice()
    (memory, availableMemory, memorySource) = (share.memory, share.availableMemory, share.memorySource)
    limits = .current
    interfaces = Self.currentInterfaces()
    avoidedInterfaces = Self.avoidedInterfaces(
      ProcessInfo.processInfo.environment, all: interfaces.map(\.name), byDefault: NetworkInterfaces.excluded)
    hasInfiniBand = Self.names(in: "/sys/class/infiniband").isEmpty == false
    guard localRank == 0 else { return }
    self.model = model.map { folder in Self.input { try Self.model(folder, chatTemplate) } }
    self.images = images.map { folder in Self.input { try Self.images(folder) } }
  }

  private static func input(_ body: () throws -> (String, String)) -> Input {
    do {
      let (summary, sha256) = try body()
      return .found(summary: summary, sha256: sha256)
    } catch { return .failed(reason(of: error)) }
  }

  /// What a run's identity says about the model: its small files, and headers and sampled bytes of its weights.
  private static func model(_ folder: URL, _ chatTemplate: URL?) throws -> (String, String) {
    let checkpoint = try SafetensorsCheckpoint(folder: folder)
    let files = try ModelFiles(folder: folder, chatTemplate: chatTemplate, generates: true)
    let parts =
      files.parts.map { "\($0.name) \($0.value)" } + [try checkpoint.headerDigest(), try checkpoint.sampleDigest()]
    return ("", try JobInputs.digest(Array(parts.joined(separator: "\n").utf8)))
  }

  /// Names and sizes of the files in a folder and in those below it.
  private static func images(_ folder: URL) throws -> (String, String) {
    var open = [""]
    var files: [(name: String, bytes: Int)] = []
    while let below = open.popLast() {
      for name in try FileSystem.names(in: folder.appendingPathComponent(below)) {
        let path = below.isEmpty ? name : "\(below)/\(name)"
        var status = stat()
        let isThere = stat(folder.appendingPathComponent(path).path, &status) == 0
        if isThere, status.st_mode & S_IFMT == S_IFDIR {
          open.append(path)
        } else {
          files.append((path, isThere ? Int(status.st_size) : -1))
        }
      }
    }
    let lines = files.sorted { $0.name < $1.name }.map { "\($0.name)\u{0}\($0.bytes)\n" }
    let bytes = files.reduce(0) { $0 + max(0, $1.bytes) }
    return (
      "\(files.count) files, \(HostComparison.size(bytes))", try JobInputs.digest(Array(lines.joined().utf8))
    )
  }

  private static func names(in folder: String) -> [String] {
    // There is no such folder without such a device.
    (try? FileSystem.names(in: URL(fileURLWithPath: folder))) ?? []
  }

  /// The first processor's name, and its core's hardware threads.
  private static func processor() -> (String, Int) {
    let text = KernelFile.text("/proc/cpuinfo") ?? ""
    var values: [String: String] = [:]
    for line in text.prefix(4096).split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
      if parts.count == 2, values[parts[0]] == nil { values[parts[0]] = parts[1] }
    }
    let siblings = FileManager.default.contents(
      atPath: "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list")
    let threads = siblings.map { ProcessShare.processorList(String(decoding: $0, as: UTF8.self)).count } ?? 1
    // Other architectures have other names for it.
    let name = values["model name"] ?? values["cpu"] ?? values["CPU part"].map { "part \($0)" } ?? "unknown"
    let family = values["cpu family"].flatMap { family in values["model"].map { " (family \(family), model \($0))" } }
    return (name + (family ?? ""), max(1, threads))
  }

  /// Interfaces that are up and have an IPv4 address, without loopback.
  private static func currentInterfaces() -> [Interface] {
    NetworkInterfaces.interfaces().filter { $0.isUp && !$0.isLoopback }.map { interface in
      let parts = [24, 16, 8, 0].map { String(interface.address >> UInt32($0) & 255) }
      return Interface(name: interface.name, address: parts.joined(separator: "."), prefix: interface.prefix)
    }
  }

  /// Interfaces that Open MPI's ranks are told to avoid, by the user or by this program.
  ///
  /// - Parameter byDefault: what this program excludes where nobody says otherwise.
  static func avoidedInterfaces(_ environment: [String: String], all: [String], byDefault: [String]) -> [String] {
    func names(_ parameter: String) -> [String]? {
      environment["OMPI_MCA_btl_tcp_" + parameter]?.split(separator: ",").map(String.init)
    }
    if let included = names("if_include") { return all.filter { !included.contains($0) } }
    let excluded = names("if_exclude") ?? byDefault
    return all.filter(excluded.contains)
  }
}

extension HostReport.Limits {
  static var current: Self {
    Self(limits: KernelFile.text("/proc/self/limits") ?? "")
  }

  /// - Parameter limits: the text of /proc/PID/limits.
  init(limits: String) {
    func limit(_ name: String) -> Int? {
      let line = limits.split(separator: "\n").first { $0.hasPrefix(name) }
      return line?.dropFirst(name.count).split(separator: " ").first.flatMap { Int($0) }
    }
    self.init(
      openFiles: limit("Max open files"), addressSpace: limit("Max address space"),
      lockedMemory: limit("Max locked memory"))
  }
}

import Foundation
import IO
import ImageInput
import MessagePassing
import RunSupport
import VisionLanguage

extension Communicator {
  /// A text of rank 0, for all ranks.
  ///
  /// - Parameter text: on rank 0 the text; elsewhere ignored.
  public func share(_ text: String?) throws -> String {
    String(decoding: try broadcast(rank == 0 ? Array((text ?? "").utf8) : nil), as: UTF8.self)
  }

  /// Ranks on several nodes may read different copies of a model; their results must not be combined.
  ///
  /// - Throws: on every rank, if one has other inputs than rank 0.
  public func agree(on identity: RunIdentity) throws {
    let first = try RunIdentity(decoding: broadcast(rank == 0 ? identity.encode() : nil))
    try agree {
      let differences = first.differences(from: identity)
      guard differences.isEmpty else {
        throw JobError("\(processorName) has other inputs than rank 0:\(differences.map { "\n  " + $0 }.joined())")
      }
    }
  }
}

extension Pictures {
  /// The same, each read in advance where `prepare` asks for it.
  ///
  /// - Parameter processor: of the model that is to be shown the pictures themselves; nil where it isn't.
  public func readAhead(_ processor: (any ImageProcessor)?) -> Pictures {
    guard let processor else { return readAhead(nil as (@Sendable (RGBImage) throws -> PatchBatch)?) }
    return readAhead { image in try processor.callAsFunction(image) }
  }

  /// Every rank calls it at the same time. One rank of each host looks for the files.
  ///
  /// - Parameter names: on rank 0 the files below the folder, as the dataset has them; elsewhere ignored.
  /// - Throws: on every rank, if a host has no such folder, or has other files in it than rank 0's.
  public init(_ names: Set<String>?, in folder: URL, on world: Communicator) throws {
    let host = world.worldSize > 1 ? world.processorName : nil
    let list = try world.broadcast(world.rank == 0 ? Self.encode(names?.sorted() ?? []) : nil)
    let sorted = try world.agree { try Self.decode(list) }
    let absent = try world.agree { () -> [String]? in
      guard world.localRank == 0 else { return nil }
      return try Self.onHost(host) { try Self.absent(Set(sorted), in: folder) }
    }
    let first = try world.broadcast(world.rank == 0 ? Self.encode(absent ?? []) : nil)
    let missing = Set(try Self.decode(first))
    try world.agree {
      guard let absent, let name = missing.symmetricDifference(absent).min() else { return }
      throw JobError(
        "host \(world.processorName): \(folder.path): "
          + (absent.contains(name)
            ? "\(name) is missing, but rank 0 has it" : "\(name) exists, but rank 0 doesn't have it")
          + ". Every host must have the same images folder (\(missing.symmetricDifference(absent).count) files differ)")
    }
    // The ranks of a node see the same files: each examines a part of them.
    let part = sorted.count * world.localRank / world.localSize..<sorted.count * (world.localRank + 1) / world.localSize
    let own = try world.agree {
      try Self.onHost(host) { try PictureStamps.examine(Array(sorted[part]), in: folder) }
    }
    let stamps = try world.allgatherOnNode(own.map(Int64.init(bitPattern:))).flatMap {
      $0.map(UInt64.init(bitPattern:))
    }
    self.init(in: folder, missing: missing, host: host, stamps: PictureStamps(sorted, stamps))
  }

  private static func encode(_ names: [String]) -> [UInt8] {
    var writer = ByteWriter()
    writer.list(names) { $0.text($1) }
    return writer.bytes
  }

  private static func decode(_ bytes: [UInt8]) throws -> [String] {
    var reader = ByteReader(bytes)
    let names = try reader.list { try $0.text() }
    try reader.finish()
    return names
  }
}

extension JobDefaults {
  /// Threads per rank: the requested number, or this rank's share of the cores available to the ranks on its node.
  /// Every rank calls it.
  public static func threads(_ asked: Int?, on world: Communicator) throws -> Int {
    let share = ProcessShare.current
    let claims = try world.allgather(
      ProcessShare.Claim(node: world.processorName, processors: share.processors, quota: share.quota).bytes)
    if world.rank == 0, let advice = ProcessShare.bindingAdvice() {
      StandardError.write("headimpact: \(advice)\n")
    }
    let known = claims.compactMap { ProcessShare.Claim($0) }
    guard known.count == world.worldSize else { throw JobError("a rank's message about its cores can't be read") }
    return asked ?? ProcessShare.threads(of: world.rank, among: known)
  }
}

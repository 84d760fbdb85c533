import Foundation
import IO
import MessagePassing
import RunSupport

extension Communicator {
  /// Reads a file on rank 0 for all ranks.
  ///
  /// - Throws: on every rank, if rank 0 can't read it.
  public func readForAll(_ url: URL) throws -> [UInt8] {
    try broadcast(agree { rank == 0 ? try JobInputs.read(url) : nil })
  }

  /// The names of the files in a folder as rank 0 sees them, for all ranks: other nodes may list them differently.
  ///
  /// - Throws: on every rank, if rank 0 can't list it.
  public func listForAll(_ folder: URL) throws -> [String] {
    let names = try broadcast(
      agree { () -> [UInt8]? in
        guard rank == 0 else { return nil }
        return Array(try FileSystem.names(in: folder).joined(separator: "\0").utf8)
      })
    return String(decoding: names, as: UTF8.self).split(separator: "\0").map(String.init)
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
  /// Every rank calls it at the same time.
  ///
  /// - Parameter names: below the folder, as the dataset has them; the same on every rank.
  /// - Throws: on every rank, if one of them has no such folder, or sees other files in it than rank 0.
  public init(_ names: Set<String>, in folder: URL, on world: Communicator) throws {
    let host = world.worldSize > 1 ? world.processorName : nil
    let absent = try world.agree {
      try Self.onHost(host) { try Self.absent(names, in: folder) }
    }
    let first = try world.broadcast(world.rank == 0 ? Array(try JSONEncoder().encode(absent)) : nil)
    let missing = Set(try JSONDecoder().decode([String].self, from: Data(first)))
    try world.agree {
      guard let name = missing.symmetricDifference(absent).min() else { return }
      throw JobError(
        "host \(world.processorName): \(folder.path): "
          + (absent.contains(name)
            ? "\(name) is missing, but rank 0 has it" : "\(name) exists, but rank 0 doesn't have it")
          + ". Every host must have the same images folder (\(missing.symmetricDifference(absent).count) files differ)")
    }
    // The ranks of a node see the same files: each examines a part of them.
    let sorted = names.sorted()
    let own = try world.agree {
      try Self.onHost(host) {
        try PictureStamps.examine(
          Array(
            sorted[
              sorted.count * world.localRank / world.localSize..<sorted.count * (world.localRank + 1) / world.localSize]
          ),
          in: folder)
      }
    }
    let stamps = try world.allgatherOnNode(own.map(Int64.init(bitPattern:))).flatMap {
      $0.map(UInt64.init(bitPattern:))
    }
    self.init(in: folder, missing: missing, host: host, stamps: PictureStamps(sorted, stamps))
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
      FileHandle.standardError.write(Data("headimpact: \(advice)\n".utf8))
    }
    let known = claims.compactMap { ProcessShare.Claim($0) }
    guard known.count == world.worldSize else { throw JobError("a rank's message about its cores can't be read") }
    return asked ?? ProcessShare.threads(of: world.rank, among: known)
  }
}

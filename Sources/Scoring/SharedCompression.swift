import Foundation
import HDF5Store
import IO
import Jobs
import Kernels
import MessagePassing
import RunSupport

/// Compresses an output's chunks on all ranks and threads, for rank 0, which writes them.
struct SharedCompression {
  private static let chunkTag = 102
  private static let resultTag = 103
  /// Bounds rank 0's memory: some 17 MB of values.
  private static let mostChunksAtATime = 64

  let world: Communicator
  let team: ThreadTeam

  /// Runs `write` on rank 0 while the others compress for it. Every rank calls it at the same time.
  ///
  /// - Returns: on rank 0 the result of `write`; nil elsewhere.
  /// - Throws: on every rank, what `write` throws.
  func run<R>(_ write: (HeadImpactFile.Compression) throws -> R) throws -> R? {
    try world.agree {
      guard world.rank == 0 else {
        try serve()
        return nil
      }
      let result = Result {
        try write(
          HeadImpactFile.Compression(
            chunksAtATime: min(Self.mostChunksAtATime, 2 * world.worldSize * team.count), compress))
      }
      let ends = try (1..<world.worldSize).map { try world.isend([Float](), to: $0, tag: Self.chunkTag) }
      for end in ends { try end.wait() }
      return try result.get()
    }
  }

  /// Rank 0's: shares out some chunks, all of the same length.
  private func compress(_ chunks: [[Float]]) throws -> [CompressedChunk] {
    let shares = (0..<world.worldSize).map { rank in
      chunks[chunks.count * rank / world.worldSize..<chunks.count * (rank + 1) / world.worldSize]
    }
    let others = (1..<world.worldSize).filter { !shares[$0].isEmpty }
    let sends = try others.map { rank in
      try world.isend([Float(shares[rank].count)] + shares[rank].joined(), to: rank, tag: Self.chunkTag)
    }
    let own = Result { try compressOnThreads(Array(shares[0])) }
    // After a failure too: nobody must wait for ever to be rid of a result.
    let results = try others.map { try world.receive(UInt8.self, from: $0, tag: Self.resultTag).values }
    for send in sends { try send.wait() }
    return try own.get() + zip(others, results).flatMap { try Self.decode($1, count: shares[$0].count, from: $0) }
  }

  private func compressOnThreads(_ chunks: [[Float]]) throws -> [CompressedChunk] {
    var results = [CompressedChunk](repeating: CompressedChunk(bytes: []), count: chunks.count)
    try results.withUnsafeMutableBufferPointer { results in
      try team.forEach(chunks.count, work: .max) { index, _ in results[index] = try CompressedChunk(chunks[index]) }
    }
    return results
  }

  // MARK: - The others

  /// Compresses what rank 0 sends, until it sends nothing.
  private func serve() throws {
    var failure: (any Error)?
    while true {
      let message = try world.receive(Float.self, from: 0, tag: Self.chunkTag).values
      guard let count = message.first.map({ Int($0) }) else { break }
      let length = (message.count - 1) / count
      var writer = ByteWriter()
      do {
        let chunks = (0..<count).map { Array(message[1 + $0 * length..<1 + ($0 + 1) * length]) }
        for chunk in try compressOnThreads(chunks) { writer.bytes(chunk.bytes) }
      } catch {
        // Without a result rank 0 ends too.
        failure = failure ?? error
        writer = ByteWriter()
      }
      try world.send(writer.bytes, to: 0, tag: Self.resultTag)
    }
    if let failure { throw failure }
  }

  private static func decode(_ bytes: [UInt8], count: Int, from rank: Int) throws -> [CompressedChunk] {
    guard !bytes.isEmpty else { throw JobError("rank \(rank) couldn't compress a part of the output") }
    var reader = ByteReader(bytes)
    let chunks = try (0..<count).map { _ in CompressedChunk(bytes: try reader.bytes()) }
    try reader.finish()
    return chunks
  }
}

import Foundation
import MessagePassing
import Testing

/// Without a launcher, in this process.
@Suite("One rank without MPI")
struct AloneTests {
  private struct Broken: Error, Equatable {}

  @Test("collectives give back what they are given")
  func collectives() throws {
    try Communicator.withWorld(environment: [:]) { world throws in
      #expect(world.rank == 0 && world.worldSize == 1 && world.localRank == 0 && world.localSize == 1)
      try world.barrier()
      #expect(try world.broadcast([1.5]) == [1.5])
      #expect(try world.allreduce(Int64(3), .sum) == 3)
      #expect(try world.reduce([Float(2)], .max) == [2])
      #expect(try world.gather([UInt8(7)]) == [[7]])
      #expect(try world.allgather([Int32(7)]) == [[7]])
      #expect(try world.allgatherOnNode([Int32(7)]) == [[7]])
      #expect(try world.iprobe(tag: 0) == nil)
    }
  }

  @Test("an error is rethrown unchanged")
  func errors() {
    #expect(throws: Broken()) { try Communicator.withWorld(environment: [:]) { _ in throw Broken() } }
    #expect(throws: Broken()) {
      try Communicator.withWorld(environment: [:]) { world in try world.agree { throw Broken() } }
    }
  }

  @Test("messages to and from nobody are refused")
  func messages() throws {
    try Communicator.withWorld(environment: [:]) { world throws in
      #expect(throws: MPIError.self) { try world.send([1.0], to: 0, tag: 1) }
      #expect(throws: MPIError.self) { try world.send([1.0], to: 1, tag: 1) }
      #expect(throws: MPIError.self) { try world.receive(Double.self, tag: 1) }
    }
  }

  @Test("what a job looks after while it waits is called now and then, and may end it")
  func attention() throws {
    try Communicator.withWorld(environment: [:]) { world throws in
      var calls = 0
      world.onAttend = { calls += 1 }
      for _ in 0..<1000 { try world.attend() }
      #expect(calls >= 1 && calls < 1000)
      usleep(2000)
      world.onAttend = { throw Broken() }
      #expect(throws: Broken()) { try world.attend() }
    }
  }

  /// What a unit's content is here: its number.
  private func sharing(
    _ world: Communicator, _ order: [Int], onResult: @escaping (WorkReport, Bool) throws -> Bool = { _, _ in true }
  ) throws -> WorkSharing {
    try WorkSharing(
      world, order: order,
      WorkHandlers(content: { [UInt8($0)] }, onResult: onResult, onCheck: { _, _ in Issue.record("nobody checks") }))
  }

  @Test("all units are done in the order given, from their contents, and handed in")
  func sharing() throws {
    try Communicator.withWorld(environment: [:]) { world throws in
      var results: [Int] = []
      let sharing = try sharing(world, [5, 2, 9]) { report, canBeChecked in
        #expect(report.rank == 0 && report.bytes == [UInt8(report.unit) + 1] && !canBeChecked)
        results.append(report.unit)
        return true
      }
      while let item = try sharing.next() {
        #expect(item.content == [UInt8(item.unit)] && item.first == nil)
        try sharing.submit([item.content[0] + 1], for: item)
      }
      try sharing.finish()
      #expect(results == [5, 2, 9])
    }
  }

  @Test("a result handed in twice, or never, is an error")
  func mistakes() throws {
    try Communicator.withWorld(environment: [:]) { world throws in
      let twice = try sharing(world, [1])
      let item = try #require(try twice.next())
      try twice.submit([], for: item)
      #expect(throws: WorkSharingError.self) { try twice.submit([], for: item) }
      let never = try sharing(world, [1])
      _ = try never.next()
      #expect(throws: WorkSharingError.self) { try never.finish() }
    }
  }
}

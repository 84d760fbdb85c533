import MessagePassing

/// Every rank sends to every other one, long and short, at once. Argument: the size of a chunk in bytes.
func pointToPointCase(_ arguments: [String]) throws {
  try Communicator.withWorld(chunkBytes: arguments.first.flatMap { Int($0) }) { world in
    let others = (0..<world.worldSize).filter { $0 != world.rank }
    let counts = [0, 1, 2, 8, 16, 1000]
    func message(from source: Int, to destination: Int, count: Int) -> [Int32] {
      (0..<count).map { Int32($0 * 7 + source * 1000 + destination) }
    }
    var requests: [SendRequest] = []
    for other in others {
      for count in counts {
        requests.append(try world.isend(message(from: world.rank, to: other, count: count), to: other, tag: 5))
      }
    }
    var received = [Int: Int]()
    for _ in 0..<others.count * counts.count {
      let envelope = try world.probe(tag: 5)
      let position = received[envelope.source, default: 0]
      let values = try world.receive(Int32.self, from: envelope.source, tag: 5).values
      try expect(
        values, message(from: envelope.source, to: world.rank, count: counts[position]),
        "message \(position) of rank \(envelope.source)")
      received[envelope.source] = position + 1
    }
    for request in requests { try request.wait() }
    // A ring of blocking sends; and a message of another length than the type's.
    if world.worldSize > 1 {
      let next = (world.rank + 1) % world.worldSize
      let previous = (world.rank + world.worldSize - 1) % world.worldSize
      if world.rank == 0 { try world.send([Double.pi], to: next, tag: 6) }
      try expect(try world.receive(Double.self, from: previous, tag: 6).values, [.pi], "ring")
      if world.rank != 0 { try world.send([Double.pi], to: next, tag: 6) }

      if world.rank == 0 { try world.send([UInt8](repeating: 1, count: 5), to: 1, tag: 7) }
      if world.rank == 1 {
        do {
          _ = try world.receive(Int32.self, tag: 7)
          throw CaseFailure("5 bytes were taken for Int32")
        } catch let error as MPIError {
          try expect(error.reason, "the message of rank 0 has 5 bytes, not a multiple of 4", "reason")
        }
      }
      do {
        try world.send([Int32(1)], to: world.worldSize, tag: 8)
        throw CaseFailure("a message went to a rank that isn't there")
      } catch is MPIError {}
    }
    try expect(try world.iprobe(tag: 9) == nil, true, "no message")
    try world.barrier()
    if world.rank == 0 { print("messages of \(world.worldSize) right") }
  }
}

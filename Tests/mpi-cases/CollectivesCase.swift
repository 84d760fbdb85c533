import MessagePassing

/// Every collective against its plain arithmetic. Argument: the size of a chunk in bytes, small to cut everything.
func collectivesCase(_ arguments: [String]) throws {
  try Communicator.withWorld(chunkBytes: arguments.first.flatMap { Int($0) }) { world in
    let size = world.worldSize
    for root in 0..<size {
      for count in [0, 1, 7, 1000] {
        let values = (0..<count).map { Double($0) + 1000 * Double(root) }
        try expect(try world.broadcast(world.rank == root ? values : nil, from: root), values, "broadcast of \(count)")
      }
      let bytes = (0..<333).map { UInt8($0 % 251) }
      try expect(try world.broadcast(world.rank == root ? bytes : nil, from: root), bytes, "broadcast of bytes")

      let mine = (0..<100).map { Int64($0 * (world.rank + 1)) }
      let total = (0..<100).map { Int64($0 * size * (size + 1) / 2) }
      try expect(try world.reduce(mine, .sum, to: root), world.rank == root ? total : nil, "reduce")

      // Rank r has r times 37 values, so that rank 0 has none.
      let uneven = [Float](repeating: Float(world.rank), count: world.rank * 37)
      let all = (0..<size).map { [Float](repeating: Float($0), count: $0 * 37) }
      try expect(try world.gather(uneven, to: root), world.rank == root ? all : nil, "gather")
      try expect(try world.allgather(uneven), all, "allgather")
      // The test's ranks are all on this node.
      try expect(try world.allgatherOnNode(uneven), all, "allgather on this node")
    }
    let rank = world.rank
    try expect(try world.allreduce([Int32(rank), -Int32(rank)], .max), [Int32(size - 1), 0], "maximum of Int32")
    try expect(try world.allreduce([Int64(rank), -Int64(rank)], .min), [0, -Int64(size - 1)], "minimum of Int64")
    try expect(try world.allreduce(Float(1), .sum), Float(size), "sum of Float")
    let half = [Double](repeating: 0.5, count: 4099)
    try expect(try world.allreduce(half, .sum), half.map { $0 * Double(size) }, "sum of Double")
    try expect(try world.allreduce([Double](), .sum), [], "sum of nothing")
    try expect(try world.allreduce(UInt8(rank), .max), UInt8(size - 1), "maximum of UInt8")
    try world.barrier()
    try expect(world.localSize, size, "ranks on this node")
    try expect(world.localRank, world.rank, "rank on this node")
    guard !world.processorName.isEmpty else { throw CaseFailure("the processor has no name") }
    if rank == 0 { print("collectives of \(size) right") }
  }
}

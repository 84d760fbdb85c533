import AdapterTraining
import MessagePassing

/// The rank named by the argument can't give what it keeps: it and nobody else learns why, and nobody waits for ever.
func exchangeFailsCase(_ arguments: [String]) throws {
  let culprit = Int(arguments[0])
  try Communicator.withWorld { world in
    var exchange = PrefixExchange()
    // Every rank keeps the samples that it computes in the first step, and all move on by one rank in the next.
    let samples = Array(0..<2 * world.worldSize)
    let costs = samples.map { _ in 1.0 }
    let first = StepPlan(batch: samples, costs: costs, worldSize: world.worldSize)
    let moved = StepPlan(batch: samples.map { ($0 + 1) % samples.count }, costs: costs, worldSize: world.worldSize)
    func run(_ plan: StepPlan, _ prefix: (Int) throws -> [UInt8]) throws -> [Int: [UInt8]] {
      exchange.begin(plan) { $0 }
      return try exchange.run(
        plan, on: world, picture: { $0 }, compute: { throw CaseFailure("sample \($0) need not wait") }, prefix: prefix)
    }
    try expect(try run(first) { _ in [1] }.isEmpty, true, "nothing is sent in the first step")
    let received = try run(moved) { [UInt8($0), 7] }
    try expect(received.allSatisfy { $1 == [UInt8($0), 7] }, true, "what was sent is what was got")
    try expect(received.isEmpty, false, "something was sent")

    do {
      _ = try run(moved) { sample in
        guard world.rank != culprit else { throw CaseFailure("no prefix of sample \(sample)") }
        return [UInt8(sample), 7]
      }
      print("rank \(world.rank) got all")
    } catch is CaseFailure {
      try expect(world.rank, culprit ?? -1, "the rank that knows why")
      print("rank \(world.rank) failed")
    } catch let error as PrefixExchange.KeeperFailed {
      try expect(error.keeper, culprit ?? -1, "the rank that is named")
      print("rank \(world.rank) misses one")
    }
    // A collective that would hang if only some had come this far.
    _ = try world.allreduce(Double(1), .sum)
    print("met")
  }
}

/// In their first step, the samples of one picture are computed by one rank and sent to the others, which compute their own
/// new pictures before they wait.
func exchangePicturesCase(_: [String]) throws {
  try Communicator.withWorld { world in
    var exchange = PrefixExchange()
    // Two samples a rank. All are of picture 0, but for the last sample of each rank, whose picture is its own.
    let samples = Array(0..<2 * world.worldSize)
    let plan = StepPlan(batch: samples, costs: samples.map { _ in 1 }, worldSize: world.worldSize)
    func picture(_ sample: Int) -> Int { sample < world.worldSize ? 0 : sample }
    var (computed, sent): ([Int], [Int]) = ([], [])
    exchange.begin(plan, picture: picture)
    let received = try exchange.run(
      plan, on: world, picture: picture, compute: { computed.append($0) },
      prefix: {
        sent.append($0)
        return [UInt8($0), 7]
      })
    let mine = plan.samples[world.rank]
    try expect(mine.count, 2, "two samples a rank")
    if world.rank == 0 {
      try expect(sent, Array(1..<world.worldSize), "rank 0 has the picture's first sample, and sends the others")
      try expect(computed + received.keys, [], "it waits for nobody")
    } else {
      try expect(sent, [], "who keeps no other's picture sends nothing")
      try expect(received, [mine[0]: [UInt8(mine[0]), 7]], "the picture's sample came")
      try expect(computed, [mine[1]], "its own new picture came first")
    }
    try expect(exchange.keeper(of: 0), 0, "its keeper")
    try expect(exchange.keeper(of: 2 * world.worldSize - 1), world.worldSize - 1, "the last rank's own picture")
    try expect(exchange.keeper(of: 1) == nil, true, "there is no such picture")
    print("met")
  }
}

import AdapterTraining
import MessagePassing

/// The rank named by the argument can't give what it keeps: it and nobody else learns why, and nobody waits for ever.
func exchangeFailsCase(_ arguments: [String]) throws {
  let culprit = Int(arguments[0])
  try Communicator.withWorld { world in
    var exchange = PrefixExchange()
    // Every rank keeps the samples that it computes in the first step, and all move on by one rank in the next.
    let samples = Array(0..<2 * world.worldSize)
    let first = StepPlan(batch: samples, worldSize: world.worldSize) { _ in 1 }
    let moved = StepPlan(batch: samples.map { ($0 + 1) % samples.count }, worldSize: world.worldSize) { _ in 1 }
    try expect(try exchange.run(first, on: world) { _ in [1] }.isEmpty, true, "nothing is sent in the first step")
    let received = try exchange.run(moved, on: world) { [UInt8($0), 7] }
    try expect(received.allSatisfy { $1 == [UInt8($0), 7] }, true, "what was sent is what was got")
    try expect(received.isEmpty, false, "something was sent")

    do {
      _ = try exchange.run(moved, on: world) { sample in
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

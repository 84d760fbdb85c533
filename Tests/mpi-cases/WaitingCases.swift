import Foundation
import MessagePassing

/// The last rank comes late to everything that ranks wait for; the processor time of the others while they wait is printed
/// as a part of the wait. Argument: how late, in seconds.
func lateCase(_ arguments: [String]) throws {
  let delay = arguments.first.flatMap { Double($0) } ?? 1
  try Communicator.withWorld { world in
    let late = world.worldSize - 1
    let long = [Int64](repeating: 1, count: 1 << 20)
    let waits: [(name: String, run: () throws -> Void)] = [
      ("barrier", { try world.barrier() }),
      ("agree", { try world.agree {} }),
      ("short allreduce", { _ = try world.allreduce(Int64(1), .sum) }),
      ("long allreduce", { _ = try world.allreduce(long, .sum) }),
      ("reduce", { _ = try world.reduce(long, .sum) }),
      ("broadcast", { _ = try world.broadcast(world.rank == late ? long : nil, from: late) }),
      ("allgather", { _ = try world.allgather(long) }),
      ("allgatherOnNode", { _ = try world.allgatherOnNode(long) }),
      ("receive", { if world.rank < late { _ = try world.receive(Int64.self, from: late, tag: 1) } }),
      (
        "send",
        {
          if world.rank < late { return try world.send(long, to: late, tag: 2) }
          for source in 0..<late { _ = try world.receive(Int64.self, from: source, tag: 2) }
        }
      ),
    ]
    for wait in waits {
      try world.barrier()
      let begin = processorSeconds()
      if world.rank == late {
        usleep(UInt32(delay * 1e6))
        if wait.name == "receive" { for other in 0..<late { try world.send([Int64(1)], to: other, tag: 1) } }
      }
      try wait.run()
      let share = (processorSeconds() - begin) / delay
      let greatest = try world.allreduce(world.rank == late ? 0 : share, .max)
      if world.rank == 0 { print("\(wait.name): \(greatest)") }
    }
  }
}

private func processorSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

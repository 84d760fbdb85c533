import Foundation
import MessagePassing

/// Says who it is, and ends.
func startCase(_ arguments: [String]) throws {
  try Communicator.withWorld { world in print("rank \(world.rank) of \(world.worldSize)") }
}

/// The ranks named by the arguments fail at a step that all take; `all` for everyone.
func agreeCase(_ arguments: [String]) throws {
  try Communicator.withWorld { world in
    try expect(try world.agree { world.rank * 2 }, world.rank * 2, "the value of a step that succeeds")
    try world.agree {
      if arguments.contains("all") { throw CaseFailure("no such model") }
      if arguments.contains("\(world.rank)") { throw CaseFailure("no file on node \(world.rank)") }
    }
    // A collective that would hang if only some had come this far.
    _ = try world.allreduce(Double(1), .sum)
    print("agreed")
  }
}

/// The rank named by the argument throws while the others wait for it.
func throwCase(_ arguments: [String]) throws {
  let culprit = Int(arguments[0])
  try Communicator.withWorld { world in
    if world.rank == culprit { throw CaseFailure("image 42 is broken") }
    try world.barrier()
    try world.barrier()
    // Alone nobody throws for us.
    print("not reached")
  }
}

/// The rank named by the argument is killed in the midst of shared work.
func killCase(_ arguments: [String]) throws {
  let culprit = Int(arguments[0])
  try Communicator.withWorld { world in
    let sharing = try simpleSharing(world, units: 1000) { _ in }
    var count = 0
    while let item = try sharing.next() {
      count += 1
      if world.rank == culprit, count == 3 { kill(getpid(), SIGKILL) }
      usleep(20_000)
      try sharing.submit([1], for: item)
    }
    try sharing.finish()
    print("not reached")
  }
}

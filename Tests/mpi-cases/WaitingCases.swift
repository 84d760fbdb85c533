import Foundation
import MessagePassing

/// The last rank comes late to everything that ranks wait for; the processor time of the others while they wait is printed
/// as a part of the wait. Argument: how late, in seconds.
func lateCase(_ arguments: [String]) throws {
  let delay = arguments.first.flatMap { Double($0) } ?? 1
  try Communicator.withWorld { world in
    let late = world.worldSize - 1
    let long = [Int64](repeating: 1, count: 1 << 16)
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

/// The rank named by the first argument is stopped twice, in the midst of its work and while the others are in a collective,
/// and goes on after as many seconds as the second says. The third is how long ranks wait for it.
func silentCase(_ arguments: [String]) throws {
  let culprit = Int(arguments[0])
  let pause = Double(arguments[1]) ?? 0
  try Communicator.withWorld(silence: SilenceRules(limit: Double(arguments[2]))) { world in
    for round in 0..<2 {
      for step in 0..<20 {
        if world.rank == culprit, step == 5 + 20 * round { try stop(for: pause) }
        usleep(10_000)
        try world.attend()
      }
      if world.rank == culprit, round == 1 { try stop(for: pause) }
      let sum = try world.allreduce([Int64](repeating: 1, count: 100_000), .sum)
      try expect(sum.allSatisfy { $0 == world.worldSize }, true, "the sum")
      // Time for everyone to be heard of again.
      for _ in 0..<50 {
        usleep(10_000)
        try world.attend()
      }
    }
    if world.rank == 0 { print("done") }
  }
}

/// All ranks are stopped together for as many seconds as the argument says, as a suspended job is: more than they wait for
/// one that is silent.
func suspendedCase(_ arguments: [String]) throws {
  let pause = Double(arguments[0]) ?? 0
  try Communicator.withWorld(silence: SilenceRules(limit: 2)) { world in
    for step in 0..<40 {
      if step == 20 { try stop(for: pause) }
      usleep(10_000)
      try world.attend()
    }
    try world.barrier()
    if world.rank == 0 { print("done") }
  }
}

/// Stops this process. Another one wakes it.
private func stop(for seconds: Double) throws {
  let waker = Process()
  waker.executableURL = URL(fileURLWithPath: "/bin/sh")
  waker.arguments = ["-c", "sleep \(seconds); kill -CONT \(getpid())"]
  // Nobody waits for its end of a pipe.
  (waker.standardOutput, waker.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
  try waker.run()
  kill(getpid(), SIGSTOP)
}

/// The last rank is stopped before it starts MPI. Argument: how long the others wait for it.
func startlessCase(_ arguments: [String]) throws {
  let environment = ProcessInfo.processInfo.environment
  let ranks = Communicator.launchedRank() + 1
  let size = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"].lazy.compactMap { environment[$0].flatMap { Int($0) } }.first
  if ranks == size { try stop(for: 60) }
  try Communicator.withWorld(silence: SilenceRules(limit: Double(arguments[0]))) { _ in print("not reached") }
}

/// The rank named by the first argument is stopped when it has called MPI_Finalize. Second argument: how long the others wait.
func endlessCase(_ arguments: [String]) throws {
  stopsInFinalize = Int(arguments[0]) == Communicator.launchedRank()
  try Communicator.withWorld(silence: SilenceRules(limit: Double(arguments[1]))) { try $0.barrier() }
}

nonisolated(unsafe) private var stopsInFinalize = false

/// MPI lets a program put its own function in front of one of the library's.
@_cdecl("MPI_Finalize") func finalizeOrStop() -> Int32 {
  // Until the others wait for it.
  if stopsInFinalize { kill(getpid(), SIGSTOP) }
  return finalizeOfTheLibrary()
}

@_silgen_name("PMPI_Finalize") private func finalizeOfTheLibrary() -> Int32

import Foundation
import MessagePassing

/// A generator with a seed, so that a failure can be repeated.
private struct Generator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return (state ^ (state >> 33)) &* 0xFF51_AFD7_ED55_8CCD
  }
}

/// The result of a unit: a length and content that only this unit has.
private func result(of unit: Int) -> [UInt8] { (0..<unit * 31 % 5000).map { UInt8(($0 * 13 + unit) & 255) } }

/// Units without contents, of which every result is taken.
func simpleSharing(
  _ world: Communicator, units: Int, onResult: @escaping (WorkReport) throws -> Void
) throws -> WorkSharing {
  try WorkSharing(
    world, order: Array(0..<units),
    WorkHandlers(
      content: { _ in [] },
      onResult: { report, _ in
        try onResult(report)
        return true
      }, onCheck: { _, _ in }))
}

/// What a rank needs to compute a unit: only this unit has it.
private func content(of unit: Int) -> [UInt8] { (0..<unit * 17 % 3000).map { UInt8(($0 * 7 + unit) & 255) } }

/// Shares units out twice with random delays and compares each result. Arguments: units, chunk size, longest delay in
/// microseconds.
func shareCase(_ arguments: [String]) throws {
  let units = Int(arguments[0]) ?? 0
  let chunk = arguments.count > 1 ? Int(arguments[1]) : nil
  let delay = arguments.count > 2 ? Int(arguments[2]) ?? 0 : 2000
  try Communicator.withWorld(chunkBytes: chunk) { world in
    for round in 1...2 {
      var generator = Generator(state: UInt64(world.rank * 10 + round))
      var results: [Int: [UInt8]] = [:]
      var sources: Set<Int> = []
      let order = Array((0..<units).map { $0 * 3 }.reversed())
      let handlers = WorkHandlers(
        content: content,
        onResult: { report, _ in
          guard results.updateValue(report.bytes, forKey: report.unit) == nil else {
            throw CaseFailure("unit \(report.unit) came twice")
          }
          sources.insert(report.rank)
          return true
        }, onCheck: { _, _ in throw CaseFailure("nothing was to be checked") })
      let sharing = try WorkSharing(world, order: order, handlers)
      while let item = try sharing.next() {
        try expect(item.content, content(of: item.unit), "content of unit \(item.unit)")
        for _ in 0..<3 {
          usleep(UInt32.random(in: 0...UInt32(delay / 3), using: &generator))
          try sharing.poll()
        }
        try sharing.submit(result(of: item.unit), for: item)
      }
      try sharing.finish()
      guard try sharing.next() == nil else { throw CaseFailure("a unit after the end") }
      guard world.rank == 0 else { continue }
      try expect(Set(results.keys), Set(order), "units that were done")
      for (unit, bytes) in results { try expect(bytes, result(of: unit), "result of unit \(unit)") }
      if units >= 20 * world.worldSize { try expect(sources.count, world.worldSize, "ranks that worked") }
    }
    if world.rank == 0 { print("\(units) units shared among \(world.worldSize)") }
  }
}

/// Rank 0 can't store the fifth result.
func shareFailsCase(_ arguments: [String]) throws {
  try Communicator.withWorld { world in
    var taken = 0
    let sharing = try simpleSharing(world, units: 200) { _ in
      taken += 1
      if taken == 5 { throw CaseFailure("no space left on device") }
    }
    while let item = try sharing.next() {
      usleep(1000)
      // As a survey would that takes any error for a bad sample: the failure must come back all the same.
      do { try sharing.poll() } catch {}
      try sharing.submit([], for: item)
    }
    try sharing.finish()
    print("not reached")
  }
}

/// As many long units as ranks: each rank must get one. One more unit given in advance would leave a rank without.
func shareBalanceCase(_ arguments: [String]) throws {
  try Communicator.withWorld { world in
    var done: [Int: Int] = [:]
    let sharing = try simpleSharing(world, units: world.worldSize) { done[$0.rank, default: 0] += 1 }
    while let item = try sharing.next() {
      for _ in 0..<100 {
        usleep(3000)
        try sharing.poll()
      }
      try sharing.submit([], for: item)
    }
    try sharing.finish()
    if world.rank == 0 {
      try expect(done.values.max(), 1, "most units of one rank")
      print("balanced")
    }
  }
}

/// Ranks of pretended hosts, of which one can't use anything, or its coordinator works alone. Arguments: the number of the
/// host that fails (-1: none, or all: "all"), how many hosts there are, and how many ranks work together at most.
/// Every fifth unit can't be used by anybody.
func shareChecksCase(_ arguments: [String]) throws {
  let hosts = Int(arguments[1]) ?? 1
  try Communicator.withWorld { world in
    var options = WorkOptions()
    let host = world.rank % hosts
    options.host = "host\(host)"
    if arguments.count > 2 { options.mostWorkingTogether = Int(arguments[2]) ?? 64 }
    var (done, checks, sources): ([Int: Int], [String], Set<Int>) = ([:], [], [])
    let handlers = WorkHandlers(
      content: { [UInt8($0)] },
      onResult: { report, canBeChecked in
        sources.insert(report.rank)
        if canBeChecked, report.bytes == [0] { return false }
        done[report.unit, default: 0] += 1
        return true
      },
      onCheck: { first, check in
        guard first.rank != check.rank, hosts == 1 || first.rank % hosts != check.rank % hosts else {
          throw CaseFailure("ranks \(first.rank) and \(check.rank) are on one host")
        }
        if first.bytes != check.bytes { checks.append("\(first.rank % hosts) differs from \(check.rank % hosts)") }
        done[first.unit, default: 0] += 1
      })
    let sharing = try WorkSharing(world, order: Array(0..<100), options: options, handlers)
    while let item = try sharing.next() {
      if item.first != nil { try expect(item.first, [0], "what is checked") }
      usleep(1000)
      try sharing.poll()
      let isBad = arguments[0] == "\(host)" || item.content[0] % 5 == 0
      try sharing.submit([isBad ? 0 : 1], for: item)
    }
    try sharing.finish()
    guard world.rank == 0 else { return }
    try expect(done.count, 100, "units that were recorded")
    try expect(done.values.max(), 1, "records of a unit")
    print("differences: \(Set(checks).sorted())\(sources.contains(0) ? "" : ", rank 0 computed nothing")")
  }
}

/// Units a second with trivial work. Arguments: units, the bytes of a unit's content, and those of a result.
func shareRateCase(_ arguments: [String]) throws {
  let numbers = arguments.map { Int($0) ?? 0 }
  let (units, content, bytes) = (numbers[0], [UInt8](repeating: 1, count: numbers[1]), numbers[2])
  try Communicator.withWorld { world in
    var done = 0
    try world.barrier()
    let start = ContinuousClock.now
    let sharing = try WorkSharing(
      world, order: Array(0..<units),
      WorkHandlers(
        content: { _ in content },
        onResult: { _, _ in
          done += 1
          return true
        }, onCheck: { _, _ in }))
    let result = [UInt8](repeating: 1, count: bytes)
    while let item = try sharing.next() { try sharing.submit(result, for: item) }
    try sharing.finish()
    guard world.rank == 0 else { return }
    try expect(done, units, "units that were done")
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    print("\(world.worldSize) ranks: \(Int(Double(units) / seconds)) units/s")
  }
}

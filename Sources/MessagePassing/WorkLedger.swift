/// Who does what in `WorkSharing`: events in, assignments out, without MPI.
///
/// Units are handed out in their order, each to one rank. A rank may hold several: those that it computes at once
/// (`unitsAtATime`), and one more in advance. It never gets more than its share of all units that are not computed yet, and
/// near the end none in advance, which would wait behind others while somebody is idle: so of the last units every rank
/// has one. A rank that could not have another gets it as soon as it may.
///
/// A result that the caller wants to have checked goes to a rank of rank 0's host, or, if it comes from there, to one of
/// another host; where there is one host only, to another rank. So hosts that lack the same files don't confirm each other.
/// Ranks are dismissed when every unit is recorded.
package struct WorkLedger {
  package enum Task: Equatable, Sendable {
    case compute(Int)
    /// What another rank has computed.
    case check(Int)
    /// There is no more.
    case leave
  }

  package struct Assignment: Equatable, Sendable {
    package let rank: Int
    package let task: Task

    package init(rank: Int, task: Task) { (self.rank, self.task) = (rank, task) }
  }

  private let order: [Int]
  /// The number of each rank's host.
  private let hosts: [Int]
  /// Whether rank 0 computes units, or only checks what others can't.
  private let coordinatorWorks: Bool
  private let unitsAtATime: Int
  private let hasOtherHosts: Bool

  private var position = 0
  /// Who computes what at present, and who checks what.
  private var holders: [Int: Int] = [:]
  private var checkers: [Int: Int] = [:]
  /// Units that wait for a check, each with the rank that computed it.
  private var checks: [(unit: Int, first: Int)] = []
  /// How many units and checks each rank has that it hasn't handed in.
  private var held: [Int]
  /// Ranks that asked when there was nothing for them.
  private var waiting: Set<Int> = []
  /// Units that have a result, and those of them that are recorded.
  private var computed = 0
  private var recorded = 0

  /// - Parameters:
  ///   - order: the units, each once, in the order to hand them out.
  ///   - hosts: the number of each rank's host.
  ///   - coordinatorWorks: whether rank 0 computes units.
  ///   - unitsAtATime: how many a rank computes at once.
  package init(order: [Int], hosts: [Int], coordinatorWorks: Bool, unitsAtATime: Int = 1) {
    precondition(Set(order).count == order.count && order.allSatisfy { $0 >= 0 }, "each unit once, from 0")
    precondition(!hosts.isEmpty && unitsAtATime > 0, "there is a rank 0, and it can compute")
    self.order = order
    self.hosts = hosts
    self.coordinatorWorks = coordinatorWorks || hosts.count == 1
    self.unitsAtATime = unitsAtATime
    held = Array(repeating: 0, count: hosts.count)
    hasOtherHosts = hosts.contains { $0 != hosts[0] }
  }

  package var ranks: Int { hosts.count }
  /// Whether every unit is recorded.
  package var isComplete: Bool { recorded == order.count }
  /// What rank 0 does next, beside what it holds; nil if there is nothing for it now.
  package mutating func next() -> Task? { task(for: 0) }

  /// A rank other than 0 asks for work, beside what it holds.
  package mutating func asked(by rank: Int) -> [Assignment] {
    if isComplete { return [Assignment(rank: rank, task: .leave)] }
    waiting.insert(rank)
    return answer(rank)
  }

  /// - Throws: `WorkSharingError` if a rank wasn't asked to compute, or to check, a unit.
  package func require(_ unit: Int, of rank: Int, isCheck: Bool) throws {
    guard (isCheck ? checkers : holders)[unit] == rank else {
      throw WorkSharingError(description: "rank \(rank) handed in unit \(unit), which it doesn't hold")
    }
  }

  /// Whether a unit's result can be checked by another rank.
  package var canCheck: Bool { ranks > 1 }

  /// A rank hands in a unit's result.
  ///
  /// - Parameter needsCheck: whether it is recorded only after another rank has checked it.
  /// - Throws: `WorkSharingError` if the rank doesn't hold the unit.
  package mutating func finished(_ unit: Int, by rank: Int, needsCheck: Bool) throws -> [Assignment] {
    try require(unit, of: rank, isCheck: false)
    holders[unit] = nil
    held[rank] -= 1
    computed += 1
    guard needsCheck, canCheck else { return record(by: rank) }
    checks.append((unit, rank))
    let idle = waiting.filter { held[$0] == 0 && mayCheck($0, after: rank) }.min()
    return (idle.map { answer($0) } ?? []) + answer(rank)
  }

  /// A rank has checked a unit's result.
  ///
  /// - Throws: `WorkSharingError` if it wasn't asked to.
  package mutating func checked(_ unit: Int, by rank: Int) throws -> [Assignment] {
    try require(unit, of: rank, isCheck: true)
    checkers[unit] = nil
    held[rank] -= 1
    return record(by: rank)
  }

  /// - Parameter rank: that has handed something in, and so may have more.
  /// - Returns: also the ranks to dismiss, if this was the last unit.
  private mutating func record(by rank: Int) -> [Assignment] {
    recorded += 1
    guard isComplete else { return answer(rank) }
    defer { waiting = [] }
    return waiting.sorted().map { Assignment(rank: $0, task: .leave) }
  }

  /// What a rank that waits gets now.
  private mutating func answer(_ rank: Int) -> [Assignment] {
    guard waiting.contains(rank), let task = task(for: rank) else { return [] }
    waiting.remove(rank)
    return [Assignment(rank: rank, task: task)]
  }

  private mutating func task(for rank: Int) -> Task? {
    guard let task = takeCheck(for: rank) ?? take(for: rank) else { return nil }
    held[rank] += 1
    return task
  }

  private mutating func take(for rank: Int) -> Task? {
    guard position < order.count, rank > 0 || coordinatorWorks, mayTake(rank) else { return nil }
    let unit = order[position]
    position += 1
    holders[unit] = rank
    return .compute(unit)
  }

  /// Whether a rank may have one more unit.
  private func mayTake(_ rank: Int) -> Bool {
    let (has, workers) = (held[rank], coordinatorWorks ? ranks : ranks - 1)
    if has == 0 { return true }
    let share = (order.count - computed + workers - 1) / workers
    guard has < share else { return false }
    return has < unitsAtATime || (has == unitsAtATime && order.count - position >= ranks)
  }

  private func mayCheck(_ rank: Int, after first: Int) -> Bool {
    guard hasOtherHosts else { return rank != first }
    return (hosts[rank] == hosts[0]) != (hosts[first] == hosts[0])
  }

  private mutating func takeCheck(for rank: Int) -> Task? {
    guard let at = checks.firstIndex(where: { mayCheck(rank, after: $0.first) }) else { return nil }
    let unit = checks.remove(at: at).unit
    checkers[unit] = rank
    return .check(unit)
  }
}

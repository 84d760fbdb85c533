/// Who does what in `WorkSharing`: events in, assignments out, without MPI.
///
/// Units are handed out in their order, each to one rank. A rank that computes gets its next unit in advance, except near
/// the end, when units go only to ranks that are idle. A result that the caller wants to have checked goes to a rank of
/// rank 0's host, or, if it comes from there, to one of another host; where there is one host only, to another rank. So
/// hosts that lack the same files don't confirm each other. Ranks are dismissed when every unit is recorded.
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

  private enum Waiting {
    /// It computes; its next unit may come in advance.
    case ahead
    case idle
  }

  private let order: [Int]
  /// The number of each rank's host.
  private let hosts: [Int]
  /// Whether rank 0 computes units, or only checks what others can't.
  private let coordinatorWorks: Bool
  private let hasOtherHosts: Bool

  private var position = 0
  /// Who computes what at present, and who checks what.
  private var holders: [Int: Int] = [:]
  private var checkers: [Int: Int] = [:]
  /// Units that wait for a check, each with the rank that computed it.
  private var checks: [(unit: Int, first: Int)] = []
  /// Ranks that asked when there was nothing for them.
  private var waiting: [Int: Waiting] = [:]
  private var recorded = 0

  /// - Parameters:
  ///   - order: the units, each once, in the order to hand them out.
  ///   - hosts: the number of each rank's host.
  ///   - coordinatorWorks: whether rank 0 computes units.
  package init(order: [Int], hosts: [Int], coordinatorWorks: Bool) {
    precondition(Set(order).count == order.count && order.allSatisfy { $0 >= 0 }, "each unit once, from 0")
    precondition(!hosts.isEmpty, "there is a rank 0")
    self.order = order
    self.hosts = hosts
    self.coordinatorWorks = coordinatorWorks || hosts.count == 1
    hasOtherHosts = hosts.contains { $0 != hosts[0] }
  }

  package var ranks: Int { hosts.count }
  /// Whether every unit is recorded.
  package var isComplete: Bool { recorded == order.count }
  /// What rank 0 does next; nil if there is nothing for it now.
  package mutating func next() -> Task? {
    if let check = takeCheck(for: 0) { return check }
    return coordinatorWorks ? take(for: 0) : nil
  }

  /// A rank other than 0 asks for work.
  package mutating func asked(_ request: WorkRequest, by rank: Int) -> [Assignment] {
    if request == .idleSinceAsked {
      // Not waiting: the answer was on its way already.
      guard waiting.removeValue(forKey: rank) != nil else { return [] }
    }
    if isComplete { return [Assignment(rank: rank, task: .leave)] }
    if let check = takeCheck(for: rank) { return [Assignment(rank: rank, task: check)] }
    // Near the end a unit given in advance would wait behind another while somebody is idle.
    let mayHave = request != .ahead || order.count - position >= ranks
    if mayHave, let task = take(for: rank) { return [Assignment(rank: rank, task: task)] }
    waiting[rank] = request == .ahead ? .ahead : .idle
    return []
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
    guard needsCheck, canCheck else { return record() }
    checks.append((unit, rank))
    let idle = waiting.filter { $0.value == .idle && mayCheck($0.key, after: rank) }.keys.min()
    guard let idle, let check = takeCheck(for: idle) else { return [] }
    waiting[idle] = nil
    return [Assignment(rank: idle, task: check)]
  }

  /// A rank has checked a unit's result.
  ///
  /// - Throws: `WorkSharingError` if it wasn't asked to.
  package mutating func checked(_ unit: Int, by rank: Int) throws -> [Assignment] {
    try require(unit, of: rank, isCheck: true)
    checkers[unit] = nil
    return record()
  }

  /// The ranks to dismiss, if this was the last unit.
  private mutating func record() -> [Assignment] {
    recorded += 1
    guard isComplete else { return [] }
    defer { waiting = [:] }
    return waiting.keys.sorted().map { Assignment(rank: $0, task: .leave) }
  }

  private mutating func take(for rank: Int) -> Task? {
    guard position < order.count else { return nil }
    let unit = order[position]
    position += 1
    holders[unit] = rank
    return .compute(unit)
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

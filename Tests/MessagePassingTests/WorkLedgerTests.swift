import MessagePassing
import Testing

/// Who gets what, without MPI: ranks are numbers here.
@Suite("The ledger of shared work")
struct WorkLedgerTests {
  private typealias Assignment = WorkLedger.Assignment

  private func ledger(_ units: Int, hosts: [Int], coordinatorWorks: Bool = true, atATime: Int = 1) -> WorkLedger {
    WorkLedger(
      order: Array((0..<units).map { 10 * $0 }), hosts: hosts, coordinatorWorks: coordinatorWorks, unitsAtATime: atATime
    )
  }

  @Test("units are handed out in their order, in advance too while there are enough")
  func order() throws {
    var ledger = ledger(6, hosts: [0, 0, 0])
    #expect(ledger.asked(by: 1) == [Assignment(rank: 1, task: .compute(0))])
    #expect(ledger.asked(by: 1) == [Assignment(rank: 1, task: .compute(10))])
    #expect(ledger.next() == .compute(20))
    #expect(ledger.asked(by: 2) == [Assignment(rank: 2, task: .compute(30))])
    // Two are left, for three ranks: only who is idle gets one.
    #expect(ledger.asked(by: 2) == [] && ledger.next() == nil)
    #expect(try ledger.finished(0, by: 1, needsCheck: false) == [])
    #expect(ledger.asked(by: 1) == [])
    #expect(try ledger.finished(30, by: 2, needsCheck: false) == [Assignment(rank: 2, task: .compute(40))])
  }

  @Test("ranks wait until every unit is recorded, and are dismissed then; who asks later is dismissed at once")
  func dismissal() throws {
    var ledger = ledger(2, hosts: [0, 0, 0, 0])
    _ = ledger.asked(by: 3)
    #expect(ledger.next() == .compute(10) && ledger.next() == nil)
    #expect(ledger.asked(by: 3) == [] && ledger.asked(by: 1) == [])
    #expect(try ledger.finished(0, by: 3, needsCheck: false) == [])
    #expect(!ledger.isComplete)
    let last = try ledger.finished(10, by: 0, needsCheck: false)
    #expect(last == [Assignment(rank: 1, task: .leave), Assignment(rank: 3, task: .leave)])
    #expect(ledger.isComplete && ledger.asked(by: 2) == [Assignment(rank: 2, task: .leave)])
    var none = self.ledger(0, hosts: [0, 0])
    #expect(none.isComplete && none.asked(by: 1) == [Assignment(rank: 1, task: .leave)])
  }

  @Test("on one host another rank checks what one couldn't use, before its next unit; alone nobody does")
  func checksOnOneHost() throws {
    var ledger = ledger(3, hosts: [0, 0])
    _ = ledger.asked(by: 1)
    #expect(ledger.next() == .compute(10) && ledger.canCheck)
    #expect(try ledger.finished(0, by: 1, needsCheck: true) == [])
    #expect(try ledger.finished(10, by: 0, needsCheck: true) == [])
    #expect(ledger.next() == .check(0))
    #expect(ledger.asked(by: 1) == [Assignment(rank: 1, task: .check(10))])
    #expect(try ledger.checked(0, by: 0) == [] && ledger.checked(10, by: 1) == [])
    #expect(ledger.next() == .compute(20))
    #expect(try ledger.finished(20, by: 0, needsCheck: false) == [])
    #expect(ledger.isComplete)
    #expect(!self.ledger(1, hosts: [0]).canCheck)
  }

  @Test("rank 0's host checks what others couldn't use, and another host what it couldn't")
  func checksOnOtherHosts() throws {
    var ledger = ledger(5, hosts: [7, 7, 8, 9])
    for rank in 1...3 { _ = ledger.asked(by: rank) }
    #expect(ledger.next() == .compute(30))
    #expect(try ledger.finished(20, by: 3, needsCheck: false) == [])
    #expect(ledger.asked(by: 3) == [Assignment(rank: 3, task: .compute(40))])
    #expect(ledger.asked(by: 3) == [])
    // Of another host: rank 3, which waits, doesn't get it, as it may lack the same files.
    #expect(try ledger.finished(10, by: 2, needsCheck: true) == [])
    #expect(ledger.next() == .check(10) && ledger.next() == nil)
    // Of rank 0's own: who may check it still computes.
    #expect(try ledger.finished(30, by: 0, needsCheck: true) == [])
    // Rank 1, on the same host, doesn't get it, nor its own.
    #expect(try ledger.finished(0, by: 1, needsCheck: true) == [])
    #expect(ledger.asked(by: 1) == [] && ledger.next() == nil)
    // Of another host again: rank 1 is idle. And rank 3 is free for rank 0's.
    #expect(
      try ledger.finished(40, by: 3, needsCheck: true)
        == [Assignment(rank: 1, task: .check(40)), Assignment(rank: 3, task: .check(30))])
    #expect(ledger.asked(by: 2) == [Assignment(rank: 2, task: .check(0))])
    for (unit, rank) in [(10, 0), (30, 3), (0, 2), (40, 1)] { #expect(try ledger.checked(unit, by: rank) == []) }
    #expect(ledger.isComplete)
  }

  @Test("a rank that computes several at once gets so many and one in advance, and another for each that it hands in")
  func several() throws {
    var ledger = ledger(100, hosts: [0, 0], atATime: 4)
    for unit in 0..<5 { #expect(ledger.asked(by: 1) == [Assignment(rank: 1, task: .compute(10 * unit))]) }
    #expect(ledger.asked(by: 1) == [])
    // In any order.
    #expect(try ledger.finished(20, by: 1, needsCheck: false) == [Assignment(rank: 1, task: .compute(50))])
    #expect(ledger.asked(by: 1) == [])
    #expect(ledger.next() == .compute(60))
    for _ in 0..<4 { #expect(ledger.next() != nil) }
    #expect(ledger.next() == nil)
    // It also gets checks beside what it computes.
    #expect(try ledger.finished(60, by: 0, needsCheck: true) == [])
    #expect(try ledger.finished(0, by: 1, needsCheck: false) == [Assignment(rank: 1, task: .check(60))])
    #expect(throws: WorkSharingError.self) { try ledger.finished(20, by: 1, needsCheck: false) }
  }

  @Test("who asks first doesn't take the others' share, and no unit is left for the end")
  func shares() throws {
    var ledger = ledger(20, hosts: [0, 0, 0], atATime: 16)
    for _ in 0..<7 { #expect(ledger.asked(by: 1).count == 1) }
    #expect(ledger.asked(by: 1) == [])
    for _ in 0..<7 { #expect(ledger.asked(by: 2).count == 1) }
    #expect(ledger.asked(by: 2) == [])
    for _ in 0..<6 { #expect(ledger.next() != nil) }
    #expect(ledger.next() == nil)
  }

  @Test("whoever is fast: units are computed once, no rank holds more than its share, and nobody idles beside one")
  func invariants() throws {
    for (ranks, atATime, units) in [(2, 1, 30), (3, 4, 40), (5, 16, 100), (4, 3, 5), (1, 4, 9)] {
      var state: UInt64 = UInt64(ranks * 1000 + atATime)
      func random(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
      }
      var ledger = ledger(units, hosts: Array(repeating: 0, count: ranks), atATime: atATime)
      var held = Array(repeating: [Int](), count: ranks)
      var waiting: Set<Int> = []
      var done: Set<Int> = []
      var handedOut = 0
      func give(_ rank: Int, _ task: WorkLedger.Task) {
        guard case .compute(let unit) = task else { return }
        #expect(held[rank].isEmpty || held[rank].count * ranks < units - done.count, "\(ranks), \(atATime)")
        #expect(held[rank].count <= atATime)
        held[rank].append(unit)
        handedOut += 1
      }
      func give(_ assignments: [Assignment]) {
        for assignment in assignments {
          #expect(waiting.remove(assignment.rank) != nil)
          give(assignment.rank, assignment.task)
        }
      }
      while !ledger.isComplete {
        let rank = random(ranks)
        if random(2) == 0, !held[rank].isEmpty {
          let unit = held[rank].remove(at: random(held[rank].count))
          #expect(done.insert(unit).inserted)
          give(try ledger.finished(unit, by: rank, needsCheck: false))
        } else if rank == 0 {
          if let task = ledger.next() { give(0, task) }
        } else if waiting.insert(rank).inserted {
          give(ledger.asked(by: rank))
        }
        #expect(handedOut == units || waiting.allSatisfy { !held[$0].isEmpty })
      }
      #expect(done.count == units && waiting.isEmpty)
    }
  }

  @Test("above a number of ranks rank 0 gets checks alone; a rank that is alone works in any case")
  func coordinates() throws {
    var ledger = ledger(2, hosts: [0, 1], coordinatorWorks: false)
    #expect(ledger.next() == nil)
    _ = ledger.asked(by: 1)
    _ = try ledger.finished(0, by: 1, needsCheck: true)
    #expect(ledger.next() == .check(0) && ledger.next() == nil)
    var alone = self.ledger(1, hosts: [0], coordinatorWorks: false)
    #expect(alone.next() == .compute(0))
  }

  @Test("a result or a check of a rank that doesn't hold the unit is refused")
  func strangers() throws {
    var ledger = ledger(2, hosts: [0, 0, 0])
    _ = ledger.asked(by: 1)
    #expect(throws: WorkSharingError.self) { try ledger.finished(0, by: 2, needsCheck: false) }
    #expect(throws: WorkSharingError.self) { try ledger.finished(10, by: 1, needsCheck: false) }
    _ = try ledger.finished(0, by: 1, needsCheck: true)
    #expect(throws: WorkSharingError.self) { try ledger.finished(0, by: 1, needsCheck: false) }
    #expect(throws: WorkSharingError.self) { try ledger.checked(0, by: 0) }
  }
}

@Suite("Messages of shared work")
struct WorkMessageTests {
  @Test("what is sent arrives")
  func roundTrip() throws {
    for message in [
      WorkMessage.request, .leaves, .result(unit: 0, []),
      .result(unit: 1 << 40, [1, 2, 3]), .check(unit: 7, [9]),
    ] {
      #expect(try WorkMessage(message.bytes, from: 3) == message)
    }
    for item in [
      WorkItem(unit: 0, content: []), WorkItem(unit: 5, content: [1, 2]),
      WorkItem(unit: 5, content: [1, 2], first: []), WorkItem(unit: 5, content: [], first: [7, 8, 9]),
    ] {
      #expect(try WorkItem.decode(item.bytes, at: 1) == item)
    }
    #expect(try WorkItem.decode([], at: 1) == nil)
  }

  @Test("other bytes are refused with the rank's number", arguments: [Int64.min, -1, 4, Int64.max])
  func hostile(number: Int64) throws {
    for bytes: [UInt8] in [[], [0], [2], [3], [5], [200], [3, 0, 0], [1, 1], [2, 1, 2, 3, 4, 5, 6, 7]] {
      #expect(throws: WorkSharingError.self, "\(bytes)") { try WorkMessage(bytes, from: 3) }
    }
    let item = WorkItem(unit: 5, content: [1, 2, 3])
    for count in 1..<item.bytes.count {
      #expect(throws: WorkSharingError.self) { try WorkItem.decode(Array(item.bytes[..<count]), at: 1) }
    }
    #expect(throws: WorkSharingError.self) { try WorkItem.decode(item.bytes + [0], at: 1) }
    var lying = item.bytes
    withUnsafeBytes(of: number) { lying.replaceSubrange(9..<17, with: $0) }
    #expect(throws: WorkSharingError.self) { try WorkItem.decode(lying, at: 1) }
  }
}

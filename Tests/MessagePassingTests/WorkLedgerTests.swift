import MessagePassing
import Testing

/// Who gets what, without MPI: ranks are numbers here.
@Suite("The ledger of shared work")
struct WorkLedgerTests {
  private typealias Assignment = WorkLedger.Assignment

  private func ledger(_ units: Int, hosts: [Int], coordinatorWorks: Bool = true) -> WorkLedger {
    WorkLedger(order: Array((0..<units).map { 10 * $0 }), hosts: hosts, coordinatorWorks: coordinatorWorks)
  }

  @Test("units are handed out in their order, in advance too while there are enough")
  func order() throws {
    var ledger = ledger(6, hosts: [0, 0, 0])
    #expect(ledger.asked(.now, by: 1) == [Assignment(rank: 1, task: .compute(0))])
    #expect(ledger.asked(.ahead, by: 1) == [Assignment(rank: 1, task: .compute(10))])
    #expect(ledger.next() == .compute(20))
    #expect(ledger.asked(.now, by: 2) == [Assignment(rank: 2, task: .compute(30))])
    // Two are left, for three ranks: only who is idle gets one.
    #expect(ledger.asked(.ahead, by: 2) == [])
    #expect(try ledger.finished(0, by: 1, needsCheck: false) == [])
    #expect(ledger.asked(.idleSinceAsked, by: 2) == [Assignment(rank: 2, task: .compute(40))])
    // It was answered already.
    #expect(ledger.asked(.idleSinceAsked, by: 2) == [])
  }

  @Test("ranks wait until every unit is recorded, and are dismissed then; who asks later is dismissed at once")
  func dismissal() throws {
    var ledger = ledger(2, hosts: [0, 0, 0, 0])
    _ = ledger.asked(.now, by: 3)
    #expect(ledger.next() == .compute(10) && ledger.next() == nil)
    #expect(ledger.asked(.ahead, by: 3) == [] && ledger.asked(.now, by: 1) == [])
    #expect(try ledger.finished(0, by: 3, needsCheck: false) == [])
    #expect(!ledger.isComplete)
    let last = try ledger.finished(10, by: 0, needsCheck: false)
    #expect(last == [Assignment(rank: 1, task: .leave), Assignment(rank: 3, task: .leave)])
    #expect(ledger.isComplete && ledger.asked(.now, by: 2) == [Assignment(rank: 2, task: .leave)])
    var none = self.ledger(0, hosts: [0, 0])
    #expect(none.isComplete && none.asked(.now, by: 1) == [Assignment(rank: 1, task: .leave)])
  }

  @Test("on one host another rank checks what one couldn't use, before its next unit; alone nobody does")
  func checksOnOneHost() throws {
    var ledger = ledger(3, hosts: [0, 0])
    _ = ledger.asked(.now, by: 1)
    #expect(ledger.next() == .compute(10) && ledger.canCheck)
    #expect(try ledger.finished(0, by: 1, needsCheck: true) == [])
    #expect(try ledger.finished(10, by: 0, needsCheck: true) == [])
    #expect(ledger.next() == .check(0) && ledger.next() == .compute(20))
    #expect(ledger.asked(.now, by: 1) == [Assignment(rank: 1, task: .check(10))])
    #expect(try ledger.checked(0, by: 0) == [] && ledger.checked(10, by: 1) == [])
    #expect(try ledger.finished(20, by: 0, needsCheck: false) == [])
    #expect(ledger.isComplete)
    #expect(!self.ledger(1, hosts: [0]).canCheck)
  }

  @Test("rank 0's host checks what others couldn't use, and another host what it couldn't")
  func checksOnOtherHosts() throws {
    var ledger = ledger(5, hosts: [7, 7, 8, 9])
    for rank in 1...3 { _ = ledger.asked(.now, by: rank) }
    #expect(ledger.next() == .compute(30))
    // Of another host: the idle rank 3 doesn't get it, as it may lack the same files.
    #expect(ledger.asked(.now, by: 3) == [Assignment(rank: 3, task: .compute(40))])
    #expect(ledger.asked(.ahead, by: 3) == [] && ledger.asked(.idleSinceAsked, by: 3) == [])
    #expect(try ledger.finished(10, by: 2, needsCheck: true) == [])
    #expect(ledger.next() == .check(10) && ledger.next() == nil)
    // Of rank 0's own: somebody is idle.
    #expect(try ledger.finished(30, by: 0, needsCheck: true) == [Assignment(rank: 3, task: .check(30))])
    // Nobody is: rank 1, on the same host, doesn't get it.
    #expect(try ledger.finished(0, by: 1, needsCheck: true) == [])
    #expect(ledger.asked(.now, by: 1) == [] && ledger.next() == nil)
    #expect(ledger.asked(.now, by: 2) == [Assignment(rank: 2, task: .check(0))])
    // Of another host again: rank 1 is idle.
    #expect(try ledger.finished(20, by: 3, needsCheck: true) == [Assignment(rank: 1, task: .check(20))])
    for (unit, rank) in [(10, 0), (30, 3), (0, 2), (20, 1)] { #expect(try ledger.checked(unit, by: rank) == []) }
    #expect(try ledger.finished(40, by: 3, needsCheck: false) == [])
    #expect(ledger.isComplete)
  }

  @Test("above a number of ranks rank 0 gets checks alone; a rank that is alone works in any case")
  func coordinates() throws {
    var ledger = ledger(2, hosts: [0, 1], coordinatorWorks: false)
    #expect(ledger.next() == nil)
    _ = ledger.asked(.now, by: 1)
    _ = try ledger.finished(0, by: 1, needsCheck: true)
    #expect(ledger.next() == .check(0) && ledger.next() == nil)
    var alone = self.ledger(1, hosts: [0], coordinatorWorks: false)
    #expect(alone.next() == .compute(0))
  }

  @Test("a result or a check of a rank that doesn't hold the unit is refused")
  func strangers() throws {
    var ledger = ledger(2, hosts: [0, 0, 0])
    _ = ledger.asked(.now, by: 1)
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
      WorkMessage.request(.ahead), .request(.now), .request(.idleSinceAsked), .leaves, .result(unit: 0, []),
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
    for bytes: [UInt8] in [[], [0], [4], [7], [200], [5, 0, 0], [1, 1], [4, 1, 2, 3, 4, 5, 6, 7]] {
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

import MessagePassing
import RunSupport
import TestSupport
import Testing

@testable import Jobs

@Suite("Unit source")
struct UnitSourceTests {
  private struct Broken: Error {}

  private func outcome(_ key: Int) -> ToyJob.Outcome { ToyJob.Outcome(key: key, value: key) }

  @Test("as many units are in hand as may be, and results are handed in in any order")
  func several() throws {
    var submitted: [Int] = []
    let source = UnitSource<ToyJob>((1...4).map { ToyJob.Unit(key: $0) }, unitsAtATime: 2) { submitted.append($0.key) }
    #expect(try source.next()?.key == 1 && source.next()?.key == 2 && source.next() == nil && source.inHand == 2)
    try source.submit(outcome(2))
    #expect(try source.next()?.key == 3 && source.next() == nil)
    try source.submit(outcome(3))
    try source.submit(outcome(1))
    #expect(try source.next()?.key == 4 && source.next() == nil && source.inHand == 1 && !source.isAtEnd)
    try source.submit(outcome(4))
    #expect(try source.next() == nil && source.isAtEnd && submitted == [2, 3, 1, 4])
  }

  @Test("it waits only with nothing in hand; a poll takes one unit in advance and prepares it")
  func ahead() throws {
    var (waits, prepared): ([Bool], [Int]) = ([], [])
    var there = [1, 2, 3]
    let source = UnitSource<ToyJob>(
      unitsAtATime: 1,
      UnitSource.Supply(
        take: {
          waits.append($0)
          return there.isEmpty ? nil : .unit(ToyJob.Unit(key: there.removeFirst()))
        }, submit: { _ in }, poll: { true }, prepare: { prepared.append($0.key) }))
    #expect(try source.next()?.key == 1 && waits == [true] && prepared == [])
    try source.poll()
    try source.poll()
    #expect(waits == [true, false] && prepared == [2])
    try source.submit(outcome(1))
    #expect(try source.next()?.key == 2 && waits == [true, false])
    try source.submit(outcome(2))
    #expect(try source.next()?.key == 3 && waits == [true, false, true] && prepared == [2])
  }

  @Test("a check is made in its turn, never within a poll")
  func checks() throws {
    var made = 0
    var works: [UnitSource<ToyJob>.Work] = [
      .unit(ToyJob.Unit(key: 1)), .check { made += 1 }, .unit(ToyJob.Unit(key: 2)),
    ]
    let source = UnitSource<ToyJob>(
      unitsAtATime: 1,
      UnitSource.Supply(
        take: { _ in works.isEmpty ? nil : works.removeFirst() }, submit: { _ in }, poll: { true }, prepare: { _ in }))
    #expect(try source.next()?.key == 1)
    try source.poll()
    #expect(made == 0)
    try source.submit(outcome(1))
    #expect(try source.next()?.key == 2 && made == 1)
  }

  @Test("what has failed once fails ever after, and is told apart from the job's own errors")
  func failure() throws {
    var fails = true
    let source = UnitSource<ToyJob>(
      unitsAtATime: 1,
      UnitSource.Supply(
        take: { _ in .unit(ToyJob.Unit(key: 1)) }, submit: { _ in },
        poll: {
          if fails { throw Broken() }
          return true
        }, prepare: { _ in }))
    _ = try source.next()
    #expect(throws: Broken.self) { try source.poll() }
    fails = false
    #expect(source.failure is Broken)
    #expect(throws: Broken.self) { try source.submit(outcome(1)) }
  }
}

import Testing

@testable import MessagePassing

@Suite("Silent ranks")
struct SilenceWatchTests {
  @Test("a rank is named after a minute, once, and again when it is back")
  func naming() {
    var watch = SilenceWatch(1..<4, .standard)
    var events: [SilenceWatch.Event] = []
    for second in 0..<100 {
      if second != 70 { watch.heard(from: 1) }
      watch.heard(from: 3)
      if second == 75 { watch.heard(from: 2) }
      events += watch.look(at: 1000 + Double(second))
    }
    #expect(events == [.silent(rank: 2, seconds: 60), .back(rank: 2, seconds: 74)])
  }

  @Test("a rank that has said that it leaves is not missed")
  func leaving() {
    var watch = SilenceWatch(1..<3, SilenceRules(limit: 100))
    watch.left(1)
    let events = stride(from: 0.0, through: 105, by: 1).flatMap { watch.look(at: $0) }
    #expect(events.first == .silent(rank: 2, seconds: 50))
    #expect(events.dropFirst().allSatisfy { if case .over(rank: 2, _) = $0 { true } else { false } })
  }

  @Test("a rank that stays silent is over at the limit, and never without one")
  func limit() {
    var watch = SilenceWatch(0..<1, SilenceRules(limit: 100))
    var patient = SilenceWatch(0..<1, SilenceRules(limit: 100), patience: 10)
    var endless = SilenceWatch(0..<1, SilenceRules(limit: nil))
    var events: [Double: [SilenceWatch.Event]] = [:]
    var endlessEvents: [SilenceWatch.Event] = []
    for second in stride(from: 0.0, through: 105, by: 1) {
      events[second] = watch.look(at: second)
      #expect(!patient.look(at: second).contains(.over(rank: 0, seconds: Int(second))))
      endlessEvents += endless.look(at: second * 1000)
    }
    #expect(events.filter { !$1.isEmpty }.keys.sorted() == [50, 100, 101, 102, 103, 104, 105])
    #expect(events[50] == [.silent(rank: 0, seconds: 50)])
    #expect(events[100] == [.over(rank: 0, seconds: 100)])
    #expect(patient.look(at: 110) == [.over(rank: 0, seconds: 110)])
    #expect(endlessEvents.count == 1)
  }

  @Test("time in which this rank didn't look blames nobody: it counts half a minute at most")
  func ownAbsence() {
    var watch = SilenceWatch(1..<3, .standard)
    #expect(watch.look(at: 0) == [])
    #expect(watch.look(at: 100_000) == [])
    watch.heard(from: 1)
    #expect(watch.look(at: 200_000) == [.silent(rank: 2, seconds: 60)])
  }

  @Test("a rank that isn't watched is ignored")
  func strangers() {
    var watch = SilenceWatch(0..<1, .standard)
    watch.heard(from: 5)
    #expect(watch.look(at: 0) == [])
  }

  @Test("the message names rank, host and time, and says how to go on")
  func message() {
    let error = SilentRank(rank: 3, host: "node2", seconds: 600)
    #expect(error.description.hasPrefix("rank 3 on node2 has not answered for 600 s: "))
    #expect(error.description.contains("The same command with --resume goes on"))
    #expect(TransientFailure.exitCode(for: error) == 75)
  }

  @Test("MPI's start is watched with a limit, and without one")
  func start() {
    for limit in [nil, 1000.0] as [Double?] { ReturnWatch("MPI_Init", limit: limit, rank: 0).end() }
  }
}

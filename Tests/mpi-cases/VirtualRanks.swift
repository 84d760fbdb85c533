import Foundation
import MessagePassing

/// Virtual ranks that exchange messages with the real coordinator in virtual time, in one process.
///
/// Rank 0's clock advances by what its work takes: the coordinator's own code by the processor time that it takes here,
/// each message by its cost. Other ranks take no time but their units'.
final class VirtualRanks: WorkTransport {
  /// What a message costs rank 0. - Units: seconds, and seconds a byte.
  struct Costs {
    var receive = 5e-6
    var send = 5e-6
    var perByte = 1 / 2e9
    /// From one rank to another.
    var latency = 20e-6
    /// A fixed time for the coordinator's code around each message, where it shall not be measured.
    var handling: Double?
  }

  private struct Rank {
    /// The unit that it computes; nil while it waits.
    var current: Int?
    /// What came in advance.
    var next: Int?
  }

  private enum Event {
    case message(WorkMessage)
    /// The rank has finished its unit.
    case finish
    /// A message of rank 0 arrives: a unit, or none.
    case assignment(Int?)
  }

  private let costs: Costs
  private let seconds: (_ unit: Int) -> Double
  private let result: (_ unit: Int) -> [UInt8]
  private var ranks: [Rank]
  private var events = EventQueue<(rank: Int, event: Event)>()
  /// Messages that rank 0 hasn't received yet, in the order of their arrival.
  private var arrived: [(rank: Int, message: WorkMessage)] = []
  private var firstArrived = 0
  private var mark: Double?

  /// Rank 0's clock.
  private(set) var now = 0.0
  /// Of all ranks together.
  private(set) var busySeconds = 0.0
  /// When the last unit was finished.
  private(set) var end = 0.0
  private(set) var messages = 0
  private(set) var longestQueue = 0
  private(set) var handlingSeconds = 0.0

  /// - Parameters:
  ///   - count: of ranks, rank 0 included.
  ///   - seconds: that a unit takes.
  ///   - result: of a unit.
  init(
    _ count: Int, costs: Costs, seconds: @escaping (_ unit: Int) -> Double, result: @escaping (_ unit: Int) -> [UInt8]
  ) {
    (self.costs, self.seconds, self.result) = (costs, seconds, result)
    ranks = [Rank](repeating: Rank(), count: count)
    for rank in 1..<count { events.add((rank, .message(.request)), at: costs.latency) }
  }

  /// Lets time pass until a message arrives at rank 0.
  ///
  /// - Returns: false if none ever will.
  func wait() -> Bool {
    while firstArrived == arrived.count {
      guard let next = events.first else { return false }
      now = max(now, next)
      deliver()
    }
    return true
  }

  /// Rank 0 waits, for the disk.
  func stall(until time: Double) { now = max(now, time) }

  func receive() throws -> (source: Int, bytes: [UInt8])? {
    stop()
    deliver()
    guard firstArrived < arrived.count else { return nil }
    longestQueue = max(longestQueue, arrived.count - firstArrived)
    let (rank, message) = arrived[firstArrived]
    firstArrived += 1
    if firstArrived == arrived.count { (arrived, firstArrived) = ([], 0) }
    let bytes = message.bytes
    now += costs.receive + Double(bytes.count) * costs.perByte
    messages += 1
    start()
    return (rank, bytes)
  }

  func send(_ bytes: [UInt8], to rank: Int) throws {
    stop()
    now += costs.send + Double(bytes.count) * costs.perByte
    messages += 1
    events.add((rank, .assignment(try WorkItem.decode(bytes, at: rank)?.unit)), at: now + costs.latency)
    start()
  }

  func progress() throws { stop() }
  func drain() throws {}
  func attend() throws {}

  // MARK: - The coordinator's time

  private func start() { mark = Self.processorSeconds() }

  private func stop() {
    guard let mark else { return }
    let spent = costs.handling ?? Self.processorSeconds() - mark
    now += spent
    handlingSeconds += spent
    self.mark = nil
  }

  private static func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  // MARK: - The ranks

  /// All that has happened up to now.
  private func deliver() {
    while let time = events.first, time <= now, let (rank, event) = events.removeFirst() {
      switch event {
      case .message(let message): arrived.append((rank, message))
      case .finish: finish(rank, at: time)
      case .assignment(let unit?):
        if ranks[rank].current == nil { begin(unit, rank, at: time) } else { ranks[rank].next = unit }
      case .assignment(nil):
        say(.leaves, rank, at: time)
      }
    }
  }

  private func begin(_ unit: Int, _ rank: Int, at time: Double) {
    ranks[rank].current = unit
    busySeconds += seconds(unit)
    say(.request, rank, at: time)
    events.add((rank, .finish), at: time + seconds(unit))
  }

  private func finish(_ rank: Int, at time: Double) {
    guard let unit = ranks[rank].current else { return }
    end = max(end, time)
    say(.result(unit: unit, result(unit)), rank, at: time)
    ranks[rank].current = nil
    if let next = ranks[rank].next {
      ranks[rank].next = nil
      begin(next, rank, at: time)
    }
  }

  private func say(_ message: WorkMessage, _ rank: Int, at time: Double) {
    events.add((rank, .message(message)), at: time + costs.latency)
  }
}

/// Events in the order of their times; equal ones in the order in which they were added.
struct EventQueue<Event> {
  private var heap: [(time: Double, number: Int, event: Event)] = []
  private var count = 0

  /// The time of the next; nil if there is none.
  var first: Double? { heap.first?.time }

  mutating func add(_ event: Event, at time: Double) {
    heap.append((time, count, event))
    count += 1
    var child = heap.count - 1
    while child > 0, isBefore(child, (child - 1) / 2) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func removeFirst() -> Event? {
    guard let last = heap.popLast() else { return nil }
    guard let first = heap.first else { return last.event }
    heap[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isBefore(child, least) { least = child }
      if least == parent { return first.event }
      heap.swapAt(parent, least)
      parent = least
    }
  }

  private func isBefore(_ a: Int, _ b: Int) -> Bool { (heap[a].time, heap[a].number) < (heap[b].time, heap[b].number) }
}

internal import CMPI
import Foundation

/// Rank 0 and each of the others tell each other now and then that they are there, and name who isn't.
///
/// The messages leave from the thread that computes: a rank that hangs in a file system is as silent as one whose host is
/// gone. Any other message counts as a sign of life too. Ranks other than 0 know of each other through rank 0 only, which
/// ends the job if one of them is silent.
final class LifeSigns {
  /// Of the messages that say no more than this; an empty one is a rank's last.
  private static let tag = ServiceTag.life

  private let rules: SilenceRules
  private let peers: Range<Int>
  private let processorName: String
  private let isSpeaker: Bool
  private var watch: SilenceWatch
  /// Where the ranks that said so run.
  private var hosts: [Int: String] = [:]
  /// When something was last sent to each, in seconds.
  private var sent: [Double]
  private var underWay: [Int: SendRequest] = [:]
  private var nextLook = 0.0
  private var farewells = 0
  private var failure: SilentRank?

  /// - Parameter isSpeaker: whether this rank says what all of its node notice.
  init(rank: Int, worldSize: Int, processorName: String, isSpeaker: Bool, _ rules: SilenceRules) {
    self.rules = rules
    self.processorName = processorName
    self.isSpeaker = isSpeaker
    peers = rank == 0 ? 1..<worldSize : 0..<1
    // The speakers end the job, and their messages are the ones that are seen. The others follow if there is none.
    watch = SilenceWatch(peers, rules, patience: isSpeaker ? 0 : 10)
    sent = Array(repeating: -.infinity, count: peers.count)
  }

  func heard(from rank: Int) { watch.heard(from: rank) }

  func sent(to rank: Int) {
    if peers.contains(rank) { sent[rank - peers.lowerBound] = monotonicSeconds() }
  }

  /// Takes and sends signs of life, and names silent ranks, if it is time to.
  ///
  /// - Throws: `SilentRank`, from then on each time; `MPIError`.
  func look(_ world: Communicator) throws {
    if let failure { throw failure }
    let now = monotonicSeconds()
    guard now >= nextLook else { return }
    nextLook = now + min(1, rules.interval / 4)
    try take(world)
    for peer in peers where now - sent[peer - peers.lowerBound] >= rules.interval {
      // One that isn't taken says enough.
      guard try underWay[peer]?.isComplete() ?? true else { continue }
      underWay[peer] = nil
      try send(Array(processorName.utf8), to: peer, world)
    }
    try judge(watch.look(at: now))
  }

  /// Ends the exchange: after this, no message is under way. Every rank calls it, at the end, after a barrier.
  func end(_ world: Communicator) throws {
    for request in underWay.values { try request.wait() }
    underWay = [:]
    for peer in peers { try send([], to: peer, world) }
    var backoff = Backoff()
    while farewells < peers.count {
      try take(world)
      try world.attend()
      backoff.pause()
    }
    for request in underWay.values { try request.wait() }
  }

  private func take(_ world: Communicator) throws {
    guard let channel = world.channels?.service else { return }
    while let envelope = try world.iprobe(from: nil, tag: Self.tag, over: channel) {
      let host = try world.receive(UInt8.self, envelope, over: channel)
      if host.isEmpty {
        farewells += 1
        watch.left(envelope.source)
      } else if hosts[envelope.source] == nil {
        hosts[envelope.source] = String(decoding: host, as: UTF8.self)
      }
    }
  }

  private func send(_ bytes: [UInt8], to peer: Int, _ world: Communicator) throws {
    guard let channel = world.channels?.service else { return }
    let request = try bytes.withUnsafeBytes {
      try SendRequest(
        $0, to: peer, tag: Self.tag, over: channel, rank: world.rank, chunkBytes: world.chunkBytes, attending: world)
    }
    if try !request.isComplete() { underWay[peer] = request }
  }

  private func judge(_ events: [SilenceWatch.Event]) throws {
    guard !events.isEmpty else { return }
    var silent: [Place: [Int]] = [:]
    for event in events {
      switch event {
      case .silent(let rank, let seconds):
        silent[Place(host: hosts[rank], seconds: seconds), default: []].append(rank)
      case .back(let rank, let seconds): say("\(name([rank], hosts[rank])) is back after \(seconds) s")
      case .over(let rank, let seconds):
        failure = failure ?? SilentRank(rank: rank, host: hosts[rank], seconds: seconds)
      }
    }
    for (place, ranks) in silent.sorted(by: { $0.value[0] < $1.value[0] }) {
      say("\(name(ranks, place.host)) \(ranks.count == 1 ? "has" : "have") not answered for \(place.seconds) s")
    }
    if let failure { throw failure }
  }

  private struct Place: Hashable {
    let host: String?
    let seconds: Int
  }

  private func name(_ ranks: [Int], _ host: String?) -> String {
    let numbers = ranks.map(String.init).joined(separator: ", ")
    return "\(ranks.count == 1 ? "rank" : "ranks") \(numbers)\(host.map { " on \($0)" } ?? "")"
  }

  private func say(_ line: String) {
    if isSpeaker { Communicator.say("\(line)\n") }
  }
}

private func monotonicSeconds() -> Double { Double(monotonicNanoseconds()) * 1e-9 }

import Foundation
import HeadImpact
import IO
import Jobs
import MessagePassing
import RunSupport

/// How busy rank 0 keeps many ranks: the real coordinator with virtual ranks. Arguments: ranks, units of each, and either
/// "fixed", for costs that are the same everywhere, or a folder for a journal: then all costs are measured here, those of
/// messages between two ranks under mpirun.
func coordinatorCase(_ arguments: [String]) throws {
  let (ranks, share) = (Int(arguments[0]) ?? 1000, Int(arguments[1]) ?? 20)
  guard arguments[2] != "fixed" else {
    let costs = VirtualRanks.Costs(receive: 20e-6, send: 20e-6, handling: 100e-6)
    return try simulate(ranks, share, costs, record: 1e-4, sample: [UInt8](repeating: 1, count: 1000)) { _ in }
  }
  try Communicator.withWorld { world in
    let sample = try impact(layers: 28, heads: 12)
    let costs = try messageCosts(world, bytes: sample.count)
    guard world.rank == 0 else { return }
    let record = try measureJournal(in: URL(fileURLWithPath: arguments[2]), sample)
    let slow = VirtualRanks.Costs(receive: 10e-6, send: 10e-6, perByte: 1e-9, latency: 100e-6)
    for (name, costs, record) in [
      ("with a disk that keeps up", costs, record.processor),
      ("over a slow network (10 us a message, 1 GB/s)", slow, record.processor),
      ("with this disk", costs, record.wall),
    ] {
      print("\(name): ", terminator: "")
      try simulate(ranks, share, costs, record: record, sample: sample) { bytes in
        // As rank 0 reads a result.
        var reader = ByteReader(bytes)
        _ = try SampleImpact(decoding: reader.bytes())
      }
    }
  }
}

/// A unit takes 2 s on average, from 0.3 to 10.
///
/// - Parameters:
///   - share: units of each rank.
///   - record: the time that the journal's thread takes for a record, its flushes included. - Units: seconds.
private func simulate(
  _ ranks: Int, _ share: Int, _ costs: VirtualRanks.Costs, record: Double, sample: [UInt8],
  _ decode: @escaping ([UInt8]) throws -> Void
) throws {
  var generator = SplitMix64(seed: 1)
  let count = ranks * share
  var seconds = (0..<count).map { 2 * exp(0.45 * normal(&generator, $0) - 0.1) }
  seconds.sort(by: >)
  let content = [UInt8](repeating: 1, count: 2000)
  let virtual = VirtualRanks(ranks, costs: costs, seconds: { seconds[$0] }, result: { _ in sample })
  let mostWaiting = Double(JournalWriter.mostWaitingBytes / sample.count) * record
  var (recorded, written, longestWait) = (0, 0.0, 0.0)
  let ledger = WorkLedger(
    order: Array(0..<count), hosts: (0..<ranks).map { $0 / 64 }, coordinatorWorks: false)
  let coordinator = WorkCoordinator(
    ledger, over: virtual,
    WorkHandlers(
      content: { _ in content },
      onResult: { report, _ in
        try decode(report.bytes)
        recorded += 1
        written = max(written, virtual.now) + record
        longestWait = max(longestWait, written - virtual.now)
        virtual.stall(until: written - mostWaiting)
        return true
      }, onCheck: { _, _ in }))
  while !coordinator.isFinished, virtual.wait() { try coordinator.serve() }
  try expect(recorded, count, "units that were recorded")
  let busy = 100 * virtual.busySeconds / (Double(ranks - 1) * virtual.end)
  let own = 100 * (virtual.handlingSeconds) / virtual.end
  print(
    String(
      format:
        "%d ranks, %d units of %.2f s: %.1f%% busy; %.0f units/s, %.0f messages/s, at most %d waiting; "
        + "rank 0's code %.0f%%, the journal at most %.2f s behind",
      ranks, count, virtual.busySeconds / Double(count), busy, Double(count) / virtual.end,
      Double(virtual.messages) / virtual.end, virtual.longestQueue, own, longestWait))
}

/// A normally distributed number, from two of the generator.
private func normal(_ generator: inout SplitMix64, _ index: Int) -> Double {
  let (a, b) = (generator[UInt64(2 * index)], generator[UInt64(2 * index + 1)])
  let (u, v) = ((Double(a >> 11) + 0.5) * 0x1p-53, Double(b >> 11) * 0x1p-53)
  return (-2 * log(u)).squareRoot() * cos(2 * .pi * v)
}

/// The result of an image with one sample, as it travels.
private func impact(layers: Int, heads: Int) throws -> [UInt8] {
  let count = 6 * layers * heads
  let values = (0..<count).map { Double($0) / Double(count) }
  let impact = try SampleImpact(
    annotationID: 1, imageID: 1, categoryID: 1,
    tokens: SampleImpact.TokenCounts(sequence: 400, visual: 300, caption: 12, mask: 30), layers: layers, heads: heads,
    hi: values, chance: values, nosink: values, sinkShare: Array(values[..<(layers * heads)]))
  var writer = ByteWriter()
  writer.bytes(impact.encode())
  return writer.bytes
}

/// The rate of the journal with its flushes.
///
/// - Returns: the time for one record, and the processor's part of it. - Units: seconds.
private func measureJournal(in folder: URL, _ sample: [UInt8]) throws -> (wall: Double, processor: Double) {
  let url = folder.appendingPathComponent("coordinator.journal")
  let journal = try Journal.create(at: url, identity: RunIdentity([("what", "rate")]))
  let writer = JournalWriter(journal)
  let count = 20_000
  func processorSeconds() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }
  let (start, processorStart) = (MonotonicClock.now, processorSeconds())
  for key in 0..<count { try writer.append(sample, key: key) }
  try writer.drain()
  let (seconds, processor) = (MonotonicClock.now - start, processorSeconds() - processorStart)
  try journal.remove()
  print(
    String(
      format: "journal: %d records of %.1f kB in %.1f s: %.0f MB/s; the processor alone: %.0f MB/s", count,
      Double(sample.count) / 1e3, seconds, Double(count * sample.count) / seconds / 1e6,
      Double(count * sample.count) / processor / 1e6))
  return (seconds / Double(count), processor / Double(count))
}

/// What rank 0 spends on a message, by experiment with rank 1; standard costs where there is none.
private func messageCosts(_ world: Communicator, bytes: Int) throws -> VirtualRanks.Costs {
  var costs = VirtualRanks.Costs()
  guard world.worldSize > 1 else { return costs }
  let (rounds, burst) = (100, 20)
  for size in [1, bytes] {
    let message = [UInt8](repeating: 7, count: size)
    var spent = 0.0
    for _ in 0..<rounds {
      if world.rank == 1 {
        let sends = try (0..<burst).map { _ in try world.isend(message, to: 0, tag: 1) }
        for send in sends { try send.wait() }
        _ = try world.receive(UInt8.self, from: 0, tag: 2)
      } else if world.rank == 0 {
        for _ in 0..<burst {
          // Only with a message that is there: waiting is no cost.
          var envelope = try world.iprobe(tag: 1)
          while envelope == nil { envelope = try world.iprobe(tag: 1) }
          let start = MonotonicClock.now
          _ = try world.receive(UInt8.self, from: 1, tag: 1)
          spent += MonotonicClock.now - start
        }
        try world.send([UInt8(1)], to: 1, tag: 2)
      }
    }
    let each = spent / Double(rounds * burst)
    if size == 1 {
      (costs.receive, costs.send) = (each, each)
    } else {
      costs.perByte = (each - costs.receive) / Double(bytes)
    }
  }
  if world.rank == 0 {
    print(
      String(
        format: "messages: %.1f us, and %.1f us for %.1f kB", costs.receive * 1e6,
        (costs.receive + costs.perByte * Double(bytes)) * 1e6, Double(bytes) / 1e3))
  }
  return costs
}

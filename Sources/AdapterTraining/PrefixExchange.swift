import MessagePassing

/// Which rank keeps which sample's frozen prefix, and the messages that bring it to the rank that needs it.
///
/// The plan of a step is the same on every rank, and so is this table: nobody has to ask.
struct PrefixExchange {
  private static let tag = 1
  /// The rank that keeps a sample, from its first pass on.
  private var keepers: [Int: Int] = [:]

  /// Brings every prefix of a step that another rank keeps to the rank that computes it. Every rank calls it.
  ///
  /// - Parameters:
  ///   - plan: the samples of each rank.
  ///   - prefix: asked on the rank that keeps it.
  /// - Returns: what this rank got, by sample.
  mutating func run(
    _ plan: StepPlan, on world: Communicator, prefix: (Int) throws -> [UInt8]
  ) throws -> [Int: [UInt8]] {
    var sends: [SendRequest] = []
    for (rank, samples) in plan.samples.enumerated() where rank != world.rank {
      for sample in samples where keepers[sample] == world.rank {
        sends.append(try world.isend(try prefix(sample), to: rank, tag: Self.tag))
      }
    }
    var received: [Int: [UInt8]] = [:]
    for sample in plan.samples[world.rank] {
      guard let keeper = keepers[sample], keeper != world.rank else { continue }
      received[sample] = try world.receive(UInt8.self, from: keeper, tag: Self.tag).values
    }
    for send in sends { try send.wait() }
    for (rank, samples) in plan.samples.enumerated() {
      for sample in samples where keepers[sample] == nil { keepers[sample] = rank }
    }
    return received
  }
}

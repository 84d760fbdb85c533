import MessagePassing

/// Which rank keeps which sample's frozen prefix, and the messages that bring it to the rank that needs it.
///
/// The plan of a step is the same on every rank, and so is this table: nobody has to ask.
package struct PrefixExchange {
  private static let tag = 1
  /// The rank that keeps a sample, from its first pass on.
  private var keepers: [Int: Int] = [:]

  /// The rank that keeps a sample could not give it. That rank knows why, and throws it.
  package struct KeeperFailed: Error {
    package let sample: Int
    package let keeper: Int
  }

  package init() {}

  /// Brings every prefix of a step that another rank keeps to the rank that computes it. Every rank calls it.
  ///
  /// Where a prefix can't be had its keeper sends an empty message in its place: every message of the step arrives, whatever
  /// goes wrong, and the ranks meet again at the step's next collective.
  /// - Parameters:
  ///   - plan: the samples of each rank.
  ///   - prefix: asked on the rank that keeps it; never empty.
  /// - Returns: what this rank got, by sample.
  /// - Throws: after the last message, what `prefix` threw, or else `KeeperFailed`; `MPIError` at once.
  package mutating func run(
    _ plan: StepPlan, on world: Communicator, prefix: (Int) throws -> [UInt8]
  ) throws -> [Int: [UInt8]] {
    var failure: (any Error)?
    var sends: [SendRequest] = []
    for (rank, samples) in plan.samples.enumerated() where rank != world.rank {
      for sample in samples where keepers[sample] == world.rank {
        var bytes: [UInt8] = []
        do {
          bytes = try prefix(sample)
        } catch {
          failure = failure ?? error
        }
        sends.append(try world.isend(bytes, to: rank, tag: Self.tag))
      }
    }
    var received: [Int: [UInt8]] = [:]
    var missing: KeeperFailed?
    for sample in plan.samples[world.rank] {
      guard let keeper = keepers[sample], keeper != world.rank else { continue }
      let bytes = try world.receive(UInt8.self, from: keeper, tag: Self.tag).values
      if bytes.isEmpty {
        missing = missing ?? KeeperFailed(sample: sample, keeper: keeper)
      } else {
        received[sample] = bytes
      }
    }
    for send in sends { try send.wait() }
    for (rank, samples) in plan.samples.enumerated() {
      for sample in samples where keepers[sample] == nil { keepers[sample] = rank }
    }
    if let failure { throw failure }
    if let missing { throw missing }
    return received
  }
}

import MessagePassing

/// Which rank computes and keeps the frozen states of which picture's samples, and the messages that bring them to the rank
/// that needs them.
///
/// The plan of a step is the same on every rank, and so is this table: nobody has to ask.
package struct PrefixExchange {
  private static let tag = 1
  /// The rank that keeps a picture's samples, from the first step on that has one of them.
  private var keepers: [Int: Int] = [:]
  /// The pictures that are new in a step, and the first of their samples in its batch.
  private var new: [Int: Int] = [:]

  /// The rank that keeps a sample could not give it. That rank knows why, and throws it.
  package struct KeeperFailed: Error {
    package let sample: Int
    package let keeper: Int
  }

  package init() {}

  /// Which rank keeps a picture; nil where no step had one of its samples.
  package func keeper(of picture: Int) -> Int? { keepers[picture] }

  /// Begins a step: a new picture goes to the rank that has the first of its samples in the batch.
  ///
  /// - Parameter picture: of a sample.
  package mutating func begin(_ plan: StepPlan, picture: (Int) -> Int) {
    new = [:]
    for (sample, rank) in zip(plan.batch, plan.ranks) where keepers[picture(sample)] == nil {
      keepers[picture(sample)] = rank
      new[picture(sample)] = sample
    }
  }

  /// Brings every prefix of a step that another rank keeps to the rank that computes it. Every rank calls it.
  ///
  /// Where a prefix can't be had its keeper sends an empty message in its place: every message of the step arrives, whatever
  /// goes wrong, and the ranks meet again at the step's next collective.
  /// - Parameters:
  ///   - plan: the samples of each rank, with which the step began.
  ///   - picture: of a sample.
  ///   - compute: asked for the first sample of each new picture that this rank keeps, where it has to wait for those of
  ///     others: all compute theirs at the same time.
  ///   - prefix: asked on the rank that keeps it; never empty.
  /// - Returns: what this rank got, by sample.
  /// - Throws: after the last message, what the closures threw, or else `KeeperFailed`; `MPIError` at once.
  package func run(
    _ plan: StepPlan, on world: Communicator, picture: (Int) -> Int, compute: (Int) throws -> Void,
    prefix: (Int) throws -> [UInt8]
  ) throws -> [Int: [UInt8]] {
    var failure: (any Error)?
    var sends: [SendRequest] = []
    for (sample, rank) in zip(plan.batch, plan.ranks) where rank != world.rank {
      guard keepers[picture(sample)] == world.rank else { continue }
      var bytes: [UInt8] = []
      do {
        bytes = try prefix(sample)
      } catch {
        failure = failure ?? error
      }
      sends.append(try world.isend(bytes, to: rank, tag: Self.tag))
    }
    let mine = plan.samples[world.rank]
    if mine.contains(where: { keepers[picture($0)] != world.rank && new[picture($0)] != nil }) {
      do {
        for sample in mine where keepers[picture(sample)] == world.rank && new[picture(sample)] == sample {
          try compute(sample)
        }
      } catch {
        failure = failure ?? error
      }
    }
    var received: [Int: [UInt8]] = [:]
    var missing: KeeperFailed?
    for sample in mine {
      guard let keeper = keepers[picture(sample)], keeper != world.rank else { continue }
      let bytes = try world.receive(UInt8.self, from: keeper, tag: Self.tag).values
      if bytes.isEmpty {
        missing = missing ?? KeeperFailed(sample: sample, keeper: keeper)
      } else {
        received[sample] = bytes
      }
    }
    for send in sends { try send.wait() }
    if let failure { throw failure }
    if let missing { throw missing }
    return received
  }
}

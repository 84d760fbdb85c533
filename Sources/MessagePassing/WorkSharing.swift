/// Hands out units of work on demand, in a given order, and collects the results on rank 0.
///
/// Every rank makes one at the same time, and runs
/// ```swift
/// while let item = try sharing.next() {
///   try sharing.submit(try compute(item), for: item)  // call sharing.poll() now and then from within
/// }
/// try sharing.finish()
/// ```
/// Only rank 0 knows the units; their contents travel with them. Each unit is given to exactly one rank, and its one
/// result reaches `onResult` on rank 0 exactly once. What that doesn't record is checked (`WorkLedger` says by whom):
/// another rank gets the unit and the first result, and what it submits reaches `onCheck`. Rank 0 works too, unless there
/// are so many ranks that answering them is work enough. A rank may take further units before it hands in the first
/// (`nextIfAny`), and hand them in in any order; `WorkLedger` bounds how many it gets. Another rank than 0 that computes
/// has its next unit on the way, except near the end. Ranks that wait sleep between polls. An error thrown by any of the
/// calls must end the job: let it leave `Communicator.withWorld`.
public final class WorkSharing {
  private enum Role {
    case coordinator(WorkCoordinator<MPIWorkTransport>)
    case worker(WorkWorker)
  }
  private let role: Role
  private let communicator: Communicator
  /// The name of each rank's host, on rank 0; elsewhere none.
  public let hosts: [String]

  /// - Parameters:
  ///   - order: on rank 0 the units, each once, in the order to hand them out; elsewhere ignored.
  ///   - handlers: called on rank 0, from within `poll`, `next`, `submit` and `finish`. What they throw, those throw,
  ///     then and ever after.
  /// - Throws: a failed call of MPI.
  public init(
    _ communicator: Communicator, order: [Int], options: WorkOptions = WorkOptions(), _ handlers: WorkHandlers
  )
    throws
  {
    self.communicator = communicator
    let names = try communicator.gather(Array((options.host ?? communicator.processorName).utf8))
    guard let names else {
      hosts = []
      role = .worker(WorkWorker(communicator))
      return
    }
    hosts = names.map { String(decoding: $0, as: UTF8.self) }
    var numbers: [[UInt8]: Int] = [:]
    let places = names.map { name in
      let number = numbers[name] ?? numbers.count
      numbers[name] = number
      return number
    }
    let ledger = WorkLedger(
      order: order, hosts: places, coordinatorWorks: communicator.worldSize <= options.mostWorkingTogether,
      unitsAtATime: options.unitsAtATime)
    role = .coordinator(WorkCoordinator(ledger, over: MPIWorkTransport(communicator), handlers))
  }

  /// Serves the other ranks where this is rank 0; elsewhere, lets results on their way leave, which rank 0 may be
  /// waiting for. To be called often from within a computation, on every rank: if the last call was less than a millisecond
  /// ago, it only looks at the clock.
  ///
  /// - Returns: whether it did more.
  @discardableResult
  public func poll() throws -> Bool {
    guard try communicator.attendIfDue() else { return false }
    switch role {
    case .coordinator(let coordinator): try coordinator.serve()
    case .worker(let worker): try worker.poll()
    }
    return true
  }

  /// The next unit for this rank, which holds none, to compute or to check; nil when every unit is recorded. Waits until
  /// there is one.
  public func next() throws -> WorkItem? {
    switch role {
    case .coordinator(let coordinator): try coordinator.next()
    case .worker(let worker): try worker.next()
    }
  }

  /// A unit for this rank beside those that it holds, to compute or to check; nil if there is none for it now. Never waits.
  public func nextIfAny() throws -> WorkItem? {
    switch role {
    case .coordinator(let coordinator): try coordinator.nextIfAny()
    case .worker(let worker): try worker.nextIfAny()
    }
  }

  /// Hands in the result of a unit that this rank holds, in any order.
  public func submit(_ result: [UInt8], for item: WorkItem) throws {
    switch role {
    case .coordinator(let coordinator): try coordinator.submit(result, for: item)
    case .worker(let worker): try worker.submit(result, for: item)
    }
  }

  /// Returns when no message is on its way. Every rank calls it, after `next` returned nil.
  public func finish() throws {
    switch role {
    case .coordinator(let coordinator): try coordinator.finish()
    case .worker(let worker): try worker.finish()
    }
    // A rank that went ahead could ask for work of the next sharing while rank 0 still serves this one.
    try communicator.barrier()
  }
}

public struct WorkOptions: Sendable {
  /// With more ranks than these, rank 0 computes no units: it answers the others, and writes.
  public var mostWorkingTogether = 64
  /// How many units a rank computes at once at most; rank 0's counts.
  public var unitsAtATime = 1
  /// The name of this rank's host; nil for the one that MPI knows.
  public var host: String?

  public init() {}
}

/// What a rank hands in.
public struct WorkReport: Sendable {
  public let rank: Int
  public let unit: Int
  public let bytes: [UInt8]
}

/// What rank 0 does with the units and results of a `WorkSharing`.
public struct WorkHandlers {
  let content: (_ unit: Int) throws -> [UInt8]
  let onResult: (_ report: WorkReport, _ canBeChecked: Bool) throws -> Bool
  let onCheck: (_ first: WorkReport, _ check: WorkReport) throws -> Void

  /// - Parameters:
  ///   - content: all that is needed to compute a unit.
  ///   - onResult: takes a unit's result. Returns whether it is recorded; if not, and if it can be checked, another rank
  ///     checks it.
  ///   - onCheck: takes the first result and what the other rank submitted.
  public init(
    content: @escaping (_ unit: Int) throws -> [UInt8],
    onResult: @escaping (_ report: WorkReport, _ canBeChecked: Bool) throws -> Bool,
    onCheck: @escaping (_ first: WorkReport, _ check: WorkReport) throws -> Void
  ) {
    (self.content, self.onResult, self.onCheck) = (content, onResult, onCheck)
  }
}

/// Ranks disagree about who does what: a bug of this program.
public struct WorkSharingError: Error, CustomStringConvertible {
  public let description: String
}

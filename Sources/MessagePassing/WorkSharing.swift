/// Hands out units of work on demand, the most expensive first, and collects the results on rank 0, which works too.
///
/// Every rank makes one at the same time, and runs
/// ```swift
/// while let unit = try sharing.next() {
///   try sharing.submit(try compute(unit), for: unit)  // call sharing.poll() now and then from within
/// }
/// try sharing.finish()
/// ```
/// Each unit is given to exactly one rank, and its one result reaches `onResult` on rank 0 exactly once. A rank that
/// computes already has its next unit, except near the end, when units go only to ranks that are idle. Ranks that wait
/// sleep between polls. An error thrown by any of the calls must end the job: let it leave `Communicator.withWorld`.
public final class WorkSharing {
  /// Takes one unit's result, on rank 0: the rank that computed it, the unit, the bytes.
  public typealias ResultHandler = (_ source: Int, _ unit: Int, _ result: [UInt8]) throws -> Void

  private enum Role {
    case coordinator(WorkCoordinator)
    case worker(WorkWorker)
  }
  private let role: Role

  /// - Parameters:
  ///   - order: on rank 0 the units, each once, in the order to hand them out; elsewhere ignored.
  ///   - onResult: called on rank 0, from within `poll`, `next`, `submit` and `finish`. What it throws, those throw,
  ///     then and ever after.
  public init(_ communicator: Communicator, order: [Int], onResult: @escaping ResultHandler) {
    role =
      communicator.rank == 0
      ? .coordinator(WorkCoordinator(communicator, order: order, onResult: onResult))
      : .worker(WorkWorker(communicator))
  }

  /// Serves the other ranks where this is rank 0; elsewhere, lets results on their way leave, which rank 0 may be
  /// waiting for. To be called often from within a computation, on every rank: it costs under a microsecond if there is
  /// nothing to do.
  public func poll() throws {
    switch role {
    case .coordinator(let coordinator): try coordinator.poll()
    case .worker(let worker): try worker.poll()
    }
  }

  /// The next unit for this rank; nil when there is no more. Waits for rank 0's answer.
  public func next() throws -> Int? {
    switch role {
    case .coordinator(let coordinator): try coordinator.next()
    case .worker(let worker): try worker.next()
    }
  }

  /// Hands in the result of a unit that `next` gave to this rank.
  public func submit(_ result: [UInt8], for unit: Int) throws {
    switch role {
    case .coordinator(let coordinator): try coordinator.submit(result, for: unit)
    case .worker(let worker): try worker.submit(result, for: unit)
    }
  }

  /// Returns when the results of all units have been taken by `onResult`. Every rank calls it, after `next` returned
  /// nil.
  public func finish() throws {
    switch role {
    case .coordinator(let coordinator): try coordinator.finish()
    case .worker(let worker): try worker.finish()
    }
  }
}

/// A worker's message to rank 0.
enum WorkRequest: UInt8 {
  /// It computes, and would like its next unit in advance.
  case ahead
  /// It is idle.
  case now
  /// It has become idle since it asked in advance.
  case idleSinceAsked
}

/// Ranks disagree about who does what: a bug of this program.
public struct WorkSharingError: Error, CustomStringConvertible {
  public let description: String
}

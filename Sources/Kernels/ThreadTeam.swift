import CVectorMath
import Synchronization

/// The threads of this rank. The one helper that runs rows in parallel; nothing else makes threads.
///
/// `count` is what was asked for. Where the system starts fewer, those that there are do the work of all: tasks are handed
/// out one by one, and no result depends on who does them. No library has threads of its own beside these.
public struct ThreadTeam: Sendable {
  /// Threads of this rank, the calling one included.
  public let count: Int
  private let threads: Threads

  /// A team of `count` threads. They start with the first loop, sleep between loops, and end with the last copy of the team.
  public init(count: Int) {
    precondition(count >= 1)
    self.count = count
    threads = Threads(count: count)
  }

  /// The threads that the system let this rank have: `count`, or fewer where `ulimit -u` or a cgroup allows no more.
  public var available: Int { Int(headimpact_team_threads(threads.team)) }

  /// Runs `body(task, thread)` for every task in `0..<tasks`, each on whichever thread is free: a task's result must not
  /// depend on the thread.
  ///
  /// - Parameters:
  ///   - work: operations of all tasks together; little work stays on the calling thread.
  ///   - body: `thread` is below `count`, and no two tasks at a time have the same.
  /// - Throws: the first error of a task; tasks that had not begun by then are left out.
  public func forEach<Failure: Error>(
    _ tasks: Int, work: Int, _ body: (_ task: Int, _ thread: Int) throws(Failure) -> Void
  ) throws(Failure) {
    let threads = threads(for: tasks, work)
    guard threads > 0 else { return }
    let next = Atomic(0)
    let failure = Mutex<Failure?>(nil)
    run(threads: threads) { thread in
      while true {
        let task = next.add(1, ordering: .relaxed).oldValue
        guard task < tasks else { return }
        do throws(Failure) {
          try body(task, thread)
        } catch {
          next.store(tasks, ordering: .relaxed)
          failure.withLock { $0 = $0 ?? error }
        }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// Cuts `0..<rows` into consecutive ranges, about as many as threads.
  ///
  /// - Parameter work: operations of all rows together; little work stays on the calling thread.
  public func forEachRange(of rows: Int, work: Int, _ body: (_ range: Range<Int>) -> Void) {
    let ranges = threads(for: rows, work)
    forEach(ranges, work: work) { index, _ in
      body(rows * index / ranges..<rows * (index + 1) / ranges)
    }
  }

  /// Waking a thread costs as much as this many operations; on a busy machine, far more.
  private static let worthAThread = 200_000

  private func threads(for tasks: Int, _ work: Int) -> Int {
    min(count, tasks, 1 + work / Self.worthAThread)
  }

  /// - Parameter body: called on up to that many threads, once on each.
  private func run(threads: Int, _ body: (Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      var box = Box(body: body)
      withUnsafeMutablePointer(to: &box) { pointer in
        headimpact_team_run(
          self.threads.team, UInt32(threads),
          { context, thread in
            guard let context else { return }
            context.assumingMemoryBound(to: Box.self).pointee.body(Int(thread))
          }, pointer)
      }
    }
  }

  private struct Box {
    let body: (Int) -> Void
  }
}

/// Owns the threads.
///
/// `@unchecked Sendable` invariant: the pointer never changes, and the C side locks what it shares.
private final class Threads: @unchecked Sendable {
  /// nil without the memory for it: then every loop runs on the calling thread.
  let team: OpaquePointer?

  init(count: Int) { team = headimpact_team_create(UInt32(clamping: count)) }

  deinit { headimpact_team_destroy(team) }
}

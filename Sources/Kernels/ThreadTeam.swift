import CVectorMath
import COpenBLAS
import Synchronization

/// The threads of this rank. The one helper that runs rows in parallel; nothing else makes threads.
///
/// OpenBLAS and oneDNN are told to stay on the calling thread, and are called from every thread of the team: no
/// pools compete for the cores, and no library divides the work, and so orders its sums, by the number of threads.
public struct ThreadTeam: Sendable {
  /// Threads of this rank, the calling one included.
  public let count: Int

  /// Takes `count` threads for this process.
  public init(count: Int) {
    precondition(count >= 1)
    self.count = count
    openblas_set_num_threads(1)
    headimpact_set_threads(1)
  }

  /// Runs `body(task, thread)` for every task in `0..<tasks`, each on whichever thread is free: a task's result must not
  /// depend on the thread.
  ///
  /// - Parameter work: operations of all tasks together; little work stays on the calling thread.
  public func forEach(_ tasks: Int, work: Int, _ body: (_ task: Int, _ thread: Int) -> Void) {
    let threads = threads(for: tasks, work)
    guard threads > 0 else { return }
    let next = Atomic(0)
    run(threads: threads) { thread in
      while true {
        let task = next.add(1, ordering: .relaxed).oldValue
        guard task < tasks else { return }
        body(task, thread)
      }
    }
  }

  /// Cuts `0..<rows` into one consecutive range a thread.
  ///
  /// - Parameter work: operations of all rows together; little work stays on the calling thread.
  public func forEachRange(of rows: Int, work: Int, _ body: (_ range: Range<Int>) -> Void) {
    let threads = threads(for: rows, work)
    guard threads > 0 else { return }
    run(threads: threads) { thread in
      body(rows * thread / threads..<rows * (thread + 1) / threads)
    }
  }

  /// Waking a thread costs as much as this many operations; on a busy machine, far more.
  private static let worthAThread = 200_000

  private func threads(for tasks: Int, _ work: Int) -> Int {
    min(count, tasks, 1 + work / Self.worthAThread)
  }

  private func run(threads: Int, _ body: (Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      var box = Box(body: body)
      withUnsafeMutablePointer(to: &box) { pointer in
        headimpact_parallel(
          UInt32(threads),
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

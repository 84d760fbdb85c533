import CVectorMath
import COneDNN
import COpenBLAS

/// The threads of this rank. The one helper that runs rows in parallel; nothing else makes threads.
///
/// It is the OpenMP team that oneDNN's matrix products use. OpenBLAS is told to stay on the calling thread, and is
/// called from every thread of the team, so that the two libraries never compete for the cores.
public struct ThreadTeam: Sendable {
  /// Threads of this rank, the calling one included.
  public let count: Int

  /// Takes `count` threads for this process, OpenBLAS and oneDNN included.
  public init(count: Int) {
    precondition(count >= 1)
    self.count = count
    openblas_set_num_threads(1)
    headimpact_set_threads(Int32(clamping: count))
  }

  /// Runs `body(task, thread)` for every task in `0..<tasks`. Thread t takes the tasks t, t + count, …, so
  /// that what runs where, and with it every rounding, is the same in every run.
  public func forEach(_ tasks: Int, _ body: (_ task: Int, _ thread: Int) -> Void) {
    let threads = min(count, tasks)
    guard threads > 0 else { return }
    run(threads: threads) { thread in
      var task = thread
      while task < tasks {
        body(task, thread)
        task += threads
      }
    }
  }

  /// Cuts `0..<rows` into one consecutive range a thread.
  public func forEachRange(of rows: Int, _ body: (_ range: Range<Int>, _ thread: Int) -> Void) {
    let threads = min(count, rows)
    guard threads > 0 else { return }
    run(threads: threads) { thread in
      body(rows * thread / threads..<rows * (thread + 1) / threads, thread)
    }
  }

  private func run(threads: Int, _ body: (Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      var box = Box(body: body)
      withUnsafeMutablePointer(to: &box) { pointer in
        headimpact_parallel(
          UInt32(threads), { context, thread in
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

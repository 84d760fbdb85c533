import Kernels
import Synchronization
import Testing

@Suite("Thread team")
struct ThreadTeamTests {
  @Test("a parallel loop does each task once, whatever the threads", arguments: [1, 2, 3, 8])
  func team(_ threads: Int) {
    let team = ThreadTeam(count: threads)
    for tasks in [0, 1, 5, 64] {
      var counts = [Int](repeating: 0, count: max(tasks, 1))
      counts.withUnsafeMutableBufferPointer { counts in
        guard let base = counts.baseAddress else { return }
        team.forEach(tasks, work: .max / 2) { task, _ in base[task] += 1 }
        team.forEachRange(of: tasks, work: .max / 2) { range in for task in range { base[task] += 1 } }
      }
      #expect(counts.prefix(tasks).allSatisfy { $0 == 2 })
    }
  }

  @Test("loops within a loop, and beside it, do their work too")
  func nestedLoops() async {
    let team = ThreadTeam(count: 3)
    await withTaskGroup(of: Int.self) { group in
      for _ in 0..<4 {
        group.addTask {
          let count = Atomic(0)
          team.forEach(50, work: .max / 2) { _, _ in
            team.forEach(10, work: .max / 2) { _, _ in count.add(1, ordering: .relaxed) }
          }
          return count.load(ordering: .relaxed)
        }
      }
      for await count in group { #expect(count == 500) }
    }
  }

  @Test("an error of a task ends the loop, and the next one runs")
  func failingTask() throws {
    struct Failure: Error {}
    let team = ThreadTeam(count: 2)
    // Atomics: ThreadSanitizer doesn't see what Swift's Mutex orders.
    let last = Atomic(0)
    #expect(throws: Failure.self) {
      try team.forEach(1_000_000, work: .max / 2) { task, _ throws(Failure) in
        last.max(task, ordering: .relaxed)
        if task == 10 { throw Failure() }
      }
    }
    #expect(last.load(ordering: .relaxed) < 999_999)
    let count = Atomic(0)
    team.forEach(100, work: .max / 2) { _, _ in count.add(1, ordering: .relaxed) }
    #expect(count.load(ordering: .relaxed) == 100)
  }
}

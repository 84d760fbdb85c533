import HeadImpact
import Testing

@testable import Decoding

@Suite("Rows of the cache")
struct RowArenaTests {
  @Test("the first rows that are enough are taken, and given back they are one piece with their neighbours")
  func firstFit() {
    var arena = RowArena(rows: 10)
    #expect(arena.isEmpty && arena.take(11) == nil)
    #expect([4, 3, 3].map { arena.take($0) } == [0..<4, 4..<7, 7..<10])
    #expect(arena.take(1) == nil && !arena.isEmpty)
    arena.give(0..<4)
    arena.give(7..<10)
    #expect(arena.free == [0..<4, 7..<10])
    #expect(arena.take(5) == nil && arena.take(2) == 0..<2)
    // Only some of what was taken at once.
    arena.give(5..<7)
    #expect(arena.free == [2..<4, 5..<10] && arena.take(4) == 5..<9)
    arena.give(4..<5)
    #expect(arena.free == [2..<5, 9..<10])
    for taken in [5..<9, 0..<2] { arena.give(taken) }
    #expect(arena.free == [0..<10] && arena.isEmpty)
  }

  @Test("nothing is taken twice or lost, in any order of taking and giving back")
  func anyOrder() {
    let random = SplitMix64(seed: 4)
    var arena = RowArena(rows: 60)
    var taken: [Range<Int>] = []
    for step in 0..<3000 {
      let number = Int(random[UInt64(step)] >> 40)
      if number % 2 == 0, !taken.isEmpty {
        arena.give(taken.remove(at: number / 2 % taken.count))
      } else if let room = arena.take(1 + number % 13) {
        #expect(room.count == 1 + number % 13 && !taken.contains { $0.overlaps(room) })
        taken.append(room)
      } else {
        #expect(!arena.free.contains { $0.count >= 1 + number % 13 })
      }
      #expect((taken + arena.free).reduce(0) { $0 + $1.count } == 60)
      #expect(zip(arena.free, arena.free.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
    }
    for room in taken { arena.give(room) }
    #expect(arena.isEmpty && arena.free == [0..<60])
  }
}

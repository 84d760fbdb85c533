import Testing

@testable import MessagePassing

@Suite("Long buffers in chunks")
struct ChunksTests {
  @Test(
    "chunks are in order, no longer than the limit, and cover everything once",
    arguments: [(0, 3), (1, 3), (3, 3), (4, 3), (10, 1), (7, 100), (Int(Int32.max) + 5, Int(Int32.max))])
  func cover(count: Int, limit: Int) {
    let ranges = Chunks.ranges(count: count, limit: limit)
    var next = 0
    for range in ranges {
      #expect(range.lowerBound == next)
      #expect(range.count <= limit && !range.isEmpty)
      next = range.upperBound
    }
    #expect(next == count)
    #expect(ranges.count == (count + limit - 1) / limit)
  }

  @Test("counts near the largest integer don't overflow")
  func extremes() {
    let ranges = Chunks.ranges(count: Int.max, limit: Int.max / 2)
    #expect(ranges.map(\.count) == [Int.max / 2, Int.max / 2, 1])
  }

  @Test(
    "a message always ends with a chunk that isn't full",
    arguments: [(0, [0]), (2, [2]), (3, [3, 0]), (4, [3, 1]), (6, [3, 3, 0])])
  func messages(bytes: Int, counts: [Int]) {
    #expect(Chunks.messageRanges(bytes: bytes, limit: 3).map(\.count) == counts)
  }

  @Test("a chunk holds at least one element, and no part of one")
  func elements() {
    #expect(Chunks.elements(stride: 8, limit: 3) == 1)
    #expect(Chunks.elements(stride: 8, limit: 31) == 3)
    #expect(Chunks.elements(stride: 1, limit: Chunks.standardBytes) <= Int(Int32.max))
  }
}

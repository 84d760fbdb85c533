import Kernels
import Testing

@testable import Transformer

@Suite("Sequence layout")
struct SequenceLayoutTests {
  @Test("a prefix alone is one causal span that nobody observes")
  func prefix() {
    let layout = SequenceLayout(newPrefix: 5)
    #expect(layout.rows == 5 && layout.prefix == 5 && layout.keys == 5 && layout.segmentRows == 0)
    #expect(layout.spans == [AttentionSpan(queries: 0..<5, sharedKeys: 0, ownKeys: 0..<5)])
  }

  @Test("segments see the prefix and themselves, and are observed")
  func segments() {
    let layout = SequenceLayout(newPrefix: 4, segments: [2, 3])
    #expect(layout.rows == 9 && layout.prefix == 4 && layout.keys == 9 && layout.segmentRows == 5)
    #expect(
      layout.spans == [
        AttentionSpan(queries: 0..<4, sharedKeys: 0, ownKeys: 0..<4),
        AttentionSpan(queries: 4..<6, sharedKeys: 4, ownKeys: 4..<6, isObserved: true),
        AttentionSpan(queries: 6..<9, sharedKeys: 4, ownKeys: 6..<9, isObserved: true),
      ])
  }

  @Test("behind a cached prefix, rows count from this pass and keys from the cache's start")
  func cached() {
    let layout = SequenceLayout(cachedPrefix: 4, newPrefix: 0, segments: [2, 1])
    #expect(layout.rows == 3 && layout.prefix == 4 && layout.keys == 7)
    #expect(
      layout.spans == [
        AttentionSpan(queries: 0..<0, sharedKeys: 0),
        AttentionSpan(queries: 0..<2, sharedKeys: 4, ownKeys: 4..<6, isObserved: true),
        AttentionSpan(queries: 2..<3, sharedKeys: 4, ownKeys: 6..<7, isObserved: true),
      ])
  }

  @Test("a prefix computed in two passes sees its cached part")
  func grown() {
    let layout = SequenceLayout(cachedPrefix: 3, newPrefix: 2, segments: [1])
    #expect(layout.rows == 3 && layout.prefix == 5 && layout.keys == 6)
    #expect(
      layout.spans == [
        AttentionSpan(queries: 0..<2, sharedKeys: 0, ownKeys: 0..<5),
        AttentionSpan(queries: 2..<3, sharedKeys: 5, ownKeys: 5..<6, isObserved: true),
      ])
  }
}

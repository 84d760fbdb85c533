import Kernels
import Testing

@testable import Transformer

@Suite("Sequence layout")
struct SequenceLayoutTests {
  private let attention: Attention
  private let windowed: Attention
  private let everywhere: Attention

  init() {
    var random = RandomModel()
    func attention(_ window: Int?, _ holdsBothWays: Bool = false) -> Attention {
      random.attention(
        LayerKind("") { ($0.windows, $0.windowHoldsBothWays) = ([window], holdsBothWays) }, keyValueHeads: 2, layer: 0)
    }
    (self.attention, windowed, everywhere) = (attention(nil), attention(3), attention(3, true))
  }

  @Test("a prefix alone is one causal span that nobody observes")
  func prefix() {
    let layout = SequenceLayout(newPrefix: 5)
    #expect(layout.rows == 5 && layout.prefix == 5 && layout.keys == 5 && layout.segmentRows == 0)
    #expect(layout.spans(for: attention) == [AttentionSpan(queries: 0..<5, sharedKeys: 0, ownKeys: 0..<5)])
  }

  @Test("segments see the prefix and themselves, and are observed")
  func segments() {
    let layout = SequenceLayout(newPrefix: 4, segments: [2, 3])
    #expect(layout.rows == 9 && layout.prefix == 4 && layout.keys == 9 && layout.segmentRows == 5)
    #expect(
      layout.spans(for: attention) == [
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
      layout.spans(for: attention) == [
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
      layout.spans(for: attention) == [
        AttentionSpan(queries: 0..<2, sharedKeys: 0, ownKeys: 0..<5),
        AttentionSpan(queries: 2..<3, sharedKeys: 5, ownKeys: 5..<6, isObserved: true),
      ])
  }

  @Test("a block that sees itself both ways cuts its part: before it, the block, behind it")
  func blocks() {
    let layout = SequenceLayout(newPrefix: 9).withBlocks(prefix: [2..<5, 6..<7], segments: [])
    #expect(
      layout.spans(for: attention) == [
        AttentionSpan(queries: 0..<2, sharedKeys: 0, ownKeys: 0..<2),
        AttentionSpan(queries: 2..<5, sharedKeys: 0, ownKeys: 0..<5, isCausal: false),
        AttentionSpan(queries: 5..<6, sharedKeys: 0, ownKeys: 0..<6),
        AttentionSpan(queries: 6..<7, sharedKeys: 0, ownKeys: 0..<7, isCausal: false),
        AttentionSpan(queries: 7..<9, sharedKeys: 0, ownKeys: 0..<9),
      ])
    let later = SequenceLayout(cachedPrefix: 5, newPrefix: 4).withBlocks(prefix: [2..<5, 6..<9], segments: [])
    #expect(
      later.spans(for: attention) == [
        AttentionSpan(queries: 0..<1, sharedKeys: 0, ownKeys: 0..<6),
        AttentionSpan(queries: 1..<4, sharedKeys: 0, ownKeys: 0..<9, isCausal: false),
      ])
  }

  @Test("a segment's blocks lie behind the prefix, and some of its outputs may begin within one")
  func blocksOfSegments() {
    let layout = SequenceLayout(newPrefix: 2, segments: [5, 1], outputRowsAtEnd: [3, 1])
      .withBlocks(prefix: [], segments: [[3..<6], []])
    #expect(
      layout.spans(for: attention) == [
        AttentionSpan(queries: 0..<2, sharedKeys: 0, ownKeys: 0..<2),
        AttentionSpan(queries: 2..<3, sharedKeys: 2, ownKeys: 2..<3, isObserved: true),
        AttentionSpan(queries: 3..<6, sharedKeys: 2, ownKeys: 2..<6, isCausal: false, isObserved: true),
        AttentionSpan(queries: 6..<7, sharedKeys: 2, ownKeys: 2..<7, isObserved: true),
        AttentionSpan(queries: 7..<8, sharedKeys: 2, ownKeys: 7..<8, isObserved: true),
      ])
    #expect(
      layout.outputSpans(for: attention) == [
        AttentionSpan(queries: 0..<0, sharedKeys: 0),
        AttentionSpan(queries: 0..<2, sharedKeys: 2, ownKeys: 2..<6, isCausal: false, isObserved: true),
        AttentionSpan(queries: 2..<3, sharedKeys: 2, ownKeys: 2..<7, isObserved: true),
        AttentionSpan(queries: 3..<4, sharedKeys: 2, ownKeys: 7..<8, isObserved: true),
      ])
  }

  @Test("a segment that begins with the last row of the prefix's block again sees what that row sees, in a window too")
  func repeatedRow() {
    let layout = SequenceLayout(newPrefix: 4, segments: [3, 2], outputRowsAtEnd: [3, 1], repeatedRows: 1)
      .withBlocks(prefix: [0..<4], segments: [[3..<4], [3..<4]])
    #expect(layout.segmentStart == 3 && layout.rows == 9 && layout.keys == 9)
    #expect(
      layout.spans(for: windowed) == [
        AttentionSpan(queries: 0..<4, sharedKeys: 0, ownKeys: 0..<4, isCausal: false),
        AttentionSpan(queries: 4..<5, sharedKeys: 3, ownKeys: 4..<5, isCausal: false, isObserved: true),
        AttentionSpan(queries: 5..<7, sharedKeys: 3, ownKeys: 4..<7, window: 3, isObserved: true),
        AttentionSpan(queries: 7..<8, sharedKeys: 3, ownKeys: 7..<8, isCausal: false, isObserved: true),
        AttentionSpan(queries: 8..<9, sharedKeys: 3, ownKeys: 7..<9, window: 3, isObserved: true),
      ])
  }

  @Test("a window is reported where it hides a key, and inside a block if it applies there too")
  func windows() {
    let layout = SequenceLayout(newPrefix: 6).withBlocks(prefix: [1..<5], segments: [])
    #expect(
      layout.spans(for: windowed) == [
        AttentionSpan(queries: 0..<1, sharedKeys: 0, ownKeys: 0..<1),
        AttentionSpan(queries: 1..<5, sharedKeys: 0, ownKeys: 0..<5, isCausal: false),
        AttentionSpan(queries: 5..<6, sharedKeys: 0, ownKeys: 0..<6, window: 3),
      ])
    #expect(layout.spans(for: everywhere)[1].window == 3)
    #expect(SequenceLayout(newPrefix: 3).spans(for: windowed)[0].window == nil)
  }

  @Test("segments may stand behind prefixes of their own, anywhere in the cache")
  func prefixes() {
    let layout = SequenceLayout(
      prefixStart: 20, newPrefix: 4, segments: [2, 1, 1],
      slots: [
        CacheSlot(start: 24, cachedRows: 0), CacheSlot(behind: 40..<47, start: 3, cachedRows: 5),
        CacheSlot(behind: 9..<9, start: 50, cachedRows: 2),
      ], outputRowsAtEnd: [1, 1, 1])
    #expect(layout.rows == 8 && layout.keys == 53 && layout.outputs == [5, 6, 7])
    #expect(layout.positions == [0, 1, 2, 3, 4, 5, 12, 2] && layout.positions(of: 1) == 12..<13)
    #expect(layout.cacheRows == [20, 21, 22, 23, 24, 25, 8, 52] && layout.contiguousRows == nil)
    #expect(
      layout.spans(for: windowed) == [
        AttentionSpan(queries: 0..<4, sharedKeys: 0, ownKeys: 20..<24, window: 3),
        AttentionSpan(queries: 4..<6, sharedKeys: 20..<24, ownKeys: 24..<26, window: 3, isObserved: true),
        AttentionSpan(queries: 6..<7, sharedKeys: 40..<47, ownKeys: 3..<9, window: 3, isObserved: true),
        AttentionSpan(queries: 7..<8, sharedKeys: 9..<9, ownKeys: 50..<53, isObserved: true),
      ])
    #expect(
      layout.outputSpans(for: attention) == [
        AttentionSpan(queries: 0..<0, sharedKeys: 0),
        AttentionSpan(queries: 0..<1, sharedKeys: 20..<24, ownKeys: 24..<26, isObserved: true),
        AttentionSpan(queries: 1..<2, sharedKeys: 40..<47, ownKeys: 3..<9, isObserved: true),
        AttentionSpan(queries: 2..<3, sharedKeys: 9..<9, ownKeys: 50..<53, isObserved: true),
      ])
  }

  @Test("rows that lie one behind the other in the cache are known as such, wherever they begin")
  func contiguous() {
    #expect(SequenceLayout(newPrefix: 4, segments: [2, 3]).contiguousRows == 0..<9)
    #expect(SequenceLayout(prefixStart: 7, cachedPrefix: 2, newPrefix: 3, segments: [1]).contiguousRows == 9..<13)
    let slot = CacheSlot(behind: 0..<4, start: 30, cachedRows: 2)
    #expect(SequenceLayout(segments: [1], slots: [slot]).contiguousRows == 32..<33)
    #expect(SequenceLayout(newPrefix: 1, segments: [1], slots: [slot]).contiguousRows == nil)
  }

  @Test("a block that reaches over the end of a pass's rows is our own mistake, and ends the program")
  func straddling() async {
    await #expect(processExitsWith: .failure) {
      _ = SequenceLayout(newPrefix: 4).withBlocks(prefix: [2..<5], segments: [])
    }
    await #expect(processExitsWith: .failure) {
      _ = SequenceLayout(cachedPrefix: 3, newPrefix: 4).withBlocks(prefix: [2..<5], segments: [])
    }
  }
}

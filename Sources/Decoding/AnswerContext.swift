import Kernels
import Transformer
import VisionLanguage

/// A question, and the hypotheses of its answer as they grow on the cache.
struct AnswerContext {
  struct Hypothesis {
    /// The first of its rows in the cache.
    let slot: Int
    let tokens: [Int32]
  }

  /// Whose picture it is about.
  let picture: Int
  /// Which of the picture's questions it is.
  let index: Int
  /// The rows of the cache that hold what the picture's questions have in common.
  let prefix: Range<Int>
  /// The rows of the cache for its hypotheses: a slot for each, with the question's own rows and the answer's.
  let room: Range<Int>
  /// None where the answer is found.
  private(set) var hypotheses: [Hypothesis]
  private(set) var search: AnswerSearch
  /// Of the answer's tokens.
  private let angles: [RotaryAngles]
  /// Rows of the question in each slot.
  private let ownRows: Int
  private let slots: [Int]

  /// Rows of the cache for a question's hypotheses. The last new token is never given to the model.
  static func rows(ownRows: Int, _ options: DecodingOptions) -> Int {
    options.beams * slotRows(ownRows, options)
  }

  private static func slotRows(_ ownRows: Int, _ options: DecodingOptions) -> Int { ownRows + options.maxNewTokens - 1 }

  /// - Parameters:
  ///   - angles: of the answer's tokens.
  ///   - ownRows: of the question, behind the prefix.
  init(
    picture: Int, index: Int, search: AnswerSearch, angles: [RotaryAngles], prefix: Range<Int>, ownRows: Int,
    room: Range<Int>, _ options: DecodingOptions
  ) {
    self.picture = picture
    self.index = index
    self.search = search
    self.angles = angles
    self.prefix = prefix
    self.ownRows = ownRows
    self.room = room
    let slotRows = Self.slotRows(ownRows, options)
    slots = (0..<options.beams).map { room.lowerBound + $0 * slotRows }
    hypotheses = [Hypothesis(slot: slots[0], tokens: [])]
  }

  /// Where the question's own rows go: the slot of its first hypothesis.
  var questionSlot: CacheSlot { CacheSlot(behind: prefix, start: slots[0], cachedRows: 0) }

  /// The last token of every hypothesis, and where its row goes.
  func append(to next: inout NextTokens, slots: inout [CacheSlot]) {
    for hypothesis in hypotheses {
      guard let token = hypothesis.tokens.last else { continue }
      let row = hypothesis.tokens.count - 1
      next.append(token, angles: angles.rows(row..<row + 1))
      slots.append(CacheSlot(behind: prefix, start: hypothesis.slot, cachedRows: ownRows + row))
    }
  }

  /// Takes one step of the search. A hypothesis that continues in several ways keeps its slot for the first, and is
  /// copied to slots of hypotheses that ended for the others.
  ///
  /// - Shape: logits [hypotheses, vocabulary].
  mutating func advance(_ logits: Span<Float>, vocabulary: Int, cache: KeyValueCache) {
    let next = search.advance(logits, vocabulary: vocabulary)
    let kept = Set(next.map { hypotheses[$0.parent].slot })
    var free = slots.filter { !kept.contains($0) }
    var taken: Set<Int> = []
    hypotheses = next.map { next in
      let parent = hypotheses[next.parent]
      var slot = parent.slot
      if !taken.insert(slot).inserted {
        slot = free.removeLast()
        cache.copy(rows: ownRows + parent.tokens.count, from: parent.slot, to: slot)
      }
      return Hypothesis(slot: slot, tokens: next.tokens)
    }
  }
}

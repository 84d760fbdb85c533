import Kernels
import Transformer
import VisionLanguage

/// Where the keys and values of one pass's questions and hypotheses lie in the cache: the shared prefix, the questions' own
/// rows as they are computed, then a slot for each hypothesis with its question's own rows and its answer.
struct CachePlan {
  let prefix: Int
  /// Rows of each question behind the prefix.
  let ownRows: [Int]
  private let beams: Int
  private let slotRows: Int

  init(prefix: Int, questions: [TokenSequence], _ options: DecodingOptions) {
    self.prefix = prefix
    ownRows = questions.map { $0.ids.count - prefix }
    beams = options.beams
    slotRows = (ownRows.max() ?? 0) + options.maxNewTokens
  }

  /// Rows of the cache.
  var rows: Int { slot(ownRows.count * beams) }

  /// The first rows of a question's slots.
  func slots(of question: Int) -> [Int] { (0..<beams).map { slot(question * beams + $0) } }

  private func slot(_ index: Int) -> Int { prefix + ownRows.reduce(0, +) + index * slotRows }
}

/// A question, and the hypotheses of its answer as they grow on the cache.
struct AnswerThread {
  struct Hypothesis {
    /// The first of its rows in the cache.
    let slot: Int
    let ids: [Int32]
  }

  let question: TokenSequence
  let angles: RotaryAngles
  private(set) var search: any AnswerSearch
  /// None where the answer is found.
  private(set) var hypotheses: [Hypothesis]
  /// Rows of the question in each slot.
  private let rows: Int
  private let slots: [Int]

  init(_ question: TokenSequence, angles: RotaryAngles, search: any AnswerSearch, rows: Int, slots: [Int]) {
    self.question = question
    self.angles = angles
    self.search = search
    self.rows = rows
    self.slots = slots
    hypotheses = [Hypothesis(slot: slots[0], ids: [])]
  }

  /// Takes one step of the search. A hypothesis that goes on in several ways keeps its slot for the first, and is copied
  /// to slots of hypotheses that ended for the others.
  mutating func advance(_ logits: [ArraySlice<Float>], cache: KeyValueCache) {
    let next = search.advance(logits)
    let kept = Set(next.map { hypotheses[$0.parent].slot })
    var free = slots.filter { !kept.contains($0) }
    var taken: Set<Int> = []
    hypotheses = next.map { continuation in
      let parent = hypotheses[continuation.parent]
      var slot = parent.slot
      if !taken.insert(slot).inserted {
        slot = free.removeLast()
        cache.copy(parent.slot..<parent.slot + rows + parent.ids.count, to: slot)
      }
      return Hypothesis(slot: slot, ids: parent.ids + [continuation.token])
    }
  }
}

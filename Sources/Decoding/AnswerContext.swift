import Kernels
import Transformer
import VisionLanguage

/// Where the keys and values of one pass's questions and hypotheses lie in the cache: the shared prefix, the questions'
/// own rows as they are computed, then a slot for each hypothesis with its question's own rows and its answer.
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

/// The choice of one answer's tokens, step by step: one sequence, or a beam search.
struct AnswerSearch {
  private enum State {
    case single([Int32])
    case beams(BeamSearch)
  }

  private let options: DecodingOptions
  private let stopTokens: Set<Int32>
  private let example: Int64
  private let penalty: RepetitionPenalty?
  private var state: State

  init(
    _ options: DecodingOptions, stopTokens: Set<Int32>, example: Int64, penalty: RepetitionPenalty? = nil
  ) {
    self.options = options
    self.stopTokens = stopTokens
    self.example = example
    self.penalty = penalty
    state =
      options.beams == 1
      ? .single([])
      : .beams(BeamSearch(beams: options.beams, stopTokens: stopTokens, maxNewTokens: options.maxNewTokens))
  }

  /// The answer, with the stop token that ends it, if one does.
  var best: [Int32] {
    switch state {
    case .single(let tokens): tokens
    case .beams(let search): search.best
    }
  }

  /// Takes one step.
  ///
  /// - Parameter logits: the scores of the next token for each sequence that continues, in the order that the last step
  ///   gave them; for the first step, of the question alone.
  /// - Returns: the sequences that go on, and which of the last step's each grows from; none where the answer is found.
  mutating func advance(_ logits: [ArraySlice<Float>]) -> [(parent: Int, tokens: [Int32])] {
    switch state {
    case .single(var tokens):
      var scores = logits[0]
      if let penalty {
        var penalized = Array(scores)
        penalty.apply(to: &penalized, after: tokens)
        scores = penalized[...]
      }
      let token =
        options.temperature == 0
        ? TokenChoice.greedy(scores)
        : TokenChoice.sample(
          scores, temperature: options.temperature, topP: options.topP,
          unit: TokenChoice.unit(seed: options.seed, example: example, step: tokens.count))
      tokens.append(token)
      state = .single(tokens)
      return stopTokens.contains(token) || tokens.count == options.maxNewTokens ? [] : [(0, tokens)]
    case .beams(var search):
      // transformers' beam search penalizes log-probabilities, and doesn't make them sum to 1 again.
      search.advance(
        zip(logits, search.running).map { logits, beam in
          var scores = TokenChoice.logSoftmax(logits)
          penalty?.apply(to: &scores, after: beam.tokens)
          return scores
        })
      state = .beams(search)
      return search.isDone ? [] : search.running.map { ($0.parent, $0.tokens) }
    }
  }
}

/// A question, and the hypotheses of its answer as they grow on the cache.
struct AnswerContext {
  struct Hypothesis {
    /// The first of its rows in the cache.
    let slot: Int
    let tokens: [Int32]
  }

  let question: TokenSequence
  let angles: [RotaryAngles]
  private(set) var search: AnswerSearch
  /// None where the answer is found.
  private(set) var hypotheses: [Hypothesis]
  /// Rows of the question in each slot.
  private let rows: Int
  private let slots: [Int]

  init(_ question: TokenSequence, angles: [RotaryAngles], search: AnswerSearch, rows: Int, slots: [Int]) {
    self.question = question
    self.angles = angles
    self.search = search
    self.rows = rows
    self.slots = slots
    hypotheses = [Hypothesis(slot: slots[0], tokens: [])]
  }

  /// Takes one step of the search. A hypothesis that continues in several ways keeps its slot for the first, and is
  /// copied to slots of hypotheses that ended for the others.
  mutating func advance(_ logits: [ArraySlice<Float>], cache: KeyValueCache) {
    let next = search.advance(logits)
    let kept = Set(next.map { hypotheses[$0.parent].slot })
    var free = slots.filter { !kept.contains($0) }
    var taken: Set<Int> = []
    hypotheses = next.map { parent, tokens in
      let parent = hypotheses[parent]
      var slot = parent.slot
      if !taken.insert(slot).inserted {
        slot = free.removeLast()
        cache.copy(rows: rows + parent.tokens.count, from: parent.slot, to: slot)
      }
      return Hypothesis(slot: slot, tokens: tokens)
    }
  }
}

/// The choice of one answer's tokens, step by step: one sequence, or a beam search.
struct AnswerSearch {
  /// A sequence that goes on.
  struct Next: Equatable {
    /// Which of the last step's it grows from.
    let parent: Int
    let tokens: [Int32]
  }

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
  ///   - Shape: [sequences, vocabulary].
  /// - Returns: the sequences that go on; none where the answer is found.
  mutating func advance(_ logits: Span<Float>, vocabulary: Int) -> [Next] {
    switch state {
    case .single(var tokens):
      precondition(logits.count == vocabulary)
      let token: Int32
      if let penalty {
        var penalized = logits.withUnsafeBufferPointer { Array($0) }
        penalty.apply(to: &penalized, after: tokens)
        token = choice(penalized.span, step: tokens.count)
      } else {
        token = choice(logits, step: tokens.count)
      }
      tokens.append(token)
      state = .single(tokens)
      return stopTokens.contains(token) || tokens.count == options.maxNewTokens ? [] : [Next(parent: 0, tokens: tokens)]
    case .beams(var search):
      precondition(logits.count == search.running.count * vocabulary)
      // transformers' beam search penalizes log-probabilities, and doesn't make them sum to 1 again.
      var all: [[Float]] = []
      for (row, beam) in search.running.enumerated() {
        var scores = TokenChoice.logSoftmax(logits.extracting(row * vocabulary..<(row + 1) * vocabulary))
        penalty?.apply(to: &scores, after: beam.tokens)
        all.append(scores)
      }
      search.advance(all)
      state = .beams(search)
      return search.isDone ? [] : search.running.map { Next(parent: $0.parent, tokens: $0.tokens) }
    }
  }

  private func choice(_ scores: Span<Float>, step: Int) -> Int32 {
    options.temperature == 0
      ? TokenChoice.greedy(scores)
      : TokenChoice.sample(
        scores, temperature: options.temperature, topP: options.topP,
        unit: TokenChoice.unit(seed: options.seed, example: example, step: step))
  }
}

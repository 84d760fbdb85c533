/// A hypothesis of an answer that goes on: that of the last step it grows from, and its next token.
struct Continuation: Equatable, Sendable {
  let parent: Int
  let token: Int32
}

/// The choice of an answer's tokens, step by step, from the scores that the model gives to each. A pure value: it knows
/// no model.
protocol AnswerSearch: Sendable {
  /// Takes one step.
  ///
  /// - Parameter logits: the scores of the next token for each hypothesis that goes on, in the order that the last step
  ///   gave them; for the first step, of the question alone.
  /// - Returns: the hypotheses that go on; none where the answer is found.
  mutating func advance(_ logits: [ArraySlice<Float>]) -> [Continuation]

  /// The best answer so far, with the stop token that ends it, if one does.
  var answer: [Int32] { get }
}

/// One hypothesis: the likeliest token, or a drawn one, until a stop token.
struct SingleSearch: AnswerSearch {
  let sampler: TokenSampler
  let stopTokens: Set<Int32>
  let maxNewTokens: Int
  private(set) var answer: [Int32] = []

  init(sampler: TokenSampler, stopTokens: Set<Int32>, maxNewTokens: Int) {
    self.sampler = sampler
    self.stopTokens = stopTokens
    self.maxNewTokens = maxNewTokens
  }

  mutating func advance(_ logits: [ArraySlice<Float>]) -> [Continuation] {
    guard let scores = logits.first else { return [] }
    let token = sampler.token(from: scores, step: answer.count)
    answer.append(token)
    if stopTokens.contains(token) || answer.count >= maxNewTokens { return [] }
    return [Continuation(parent: 0, token: token)]
  }
}

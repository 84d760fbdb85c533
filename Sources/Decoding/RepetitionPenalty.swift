/// What makes tokens that have been seen less likely, as `RepetitionPenaltyLogitsProcessor` of transformers 5 does: the
/// question's tokens count, the image's placeholders among them.
struct RepetitionPenalty: Sendable, Equatable {
  /// nil if the value is 1, which changes nothing.
  init?(_ value: Double, question: [Int32]) {
    guard value != 1 else { return nil }
    self.value = Float(value)
    seen = Set(question)
  }

  private let value: Float
  private let seen: Set<Int32>

  /// - Shape: scores [vocabulary]: raw ones, or log-probabilities.
  func apply(to scores: inout [Float], after tokens: [Int32]) {
    for token in seen.union(tokens) {
      guard scores.indices.contains(Int(token)) else { continue }
      let score = scores[Int(token)]
      scores[Int(token)] = score < 0 ? score * value : score / value
    }
  }
}

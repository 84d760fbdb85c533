import Foundation

/// Beam search as Hugging Face transformers 5 does it (`_beam_search` with `length_penalty` 1, `early_stopping` False and
/// no sampling): an answer's score is the sum of its tokens' log-probabilities over their number, and the search ends
/// when no hypothesis, as long as it is now, scores above the worst of the finished answers.
struct BeamSearch: AnswerSearch {
  private struct Hypothesis: Sendable {
    var ids: [Int32]
    /// The sum of the log-probabilities; of a finished answer, over its length.
    var score: Double
  }

  let beams: Int
  let stopTokens: Set<Int32>
  let maxNewTokens: Int
  private var running = [Hypothesis(ids: [], score: 0)]
  /// The best first, at most `beams`.
  private var finished: [Hypothesis] = []

  init(beams: Int, stopTokens: Set<Int32>, maxNewTokens: Int) {
    self.beams = beams
    self.stopTokens = stopTokens
    self.maxNewTokens = maxNewTokens
  }

  var answer: [Int32] { (finished.first ?? running.first)?.ids ?? [] }

  mutating func advance(_ logits: [ArraySlice<Float>]) -> [Continuation] {
    let length = (running.first?.ids.count ?? 0) + 1
    let candidates = candidates(logits)
    let stops = candidates.map { length >= maxNewTokens || stopTokens.contains($0.token) }

    // Candidates behind the first `beams` are only there to go on with: they can't finish.
    for (candidate, stops) in zip(candidates.prefix(beams), stops) where stops {
      finished.append(
        Hypothesis(
          ids: running[candidate.parent].ids + [candidate.token], score: candidate.score / Double(length)))
    }
    finished = Array(
      finished.enumerated().sorted { ($0.element.score, $1.offset) > ($1.element.score, $0.offset) }
        .map(\.element).prefix(beams))

    let next = zip(candidates, stops).filter { !$1 }.prefix(beams).map(\.0)
    running = next.map { Hypothesis(ids: running[$0.parent].ids + [$0.token], score: $0.score) }
    guard let best = running.first else { return [] }
    if finished.count == beams, let worst = finished.last, best.score / Double(length) <= worst.score { return [] }
    return next.map { Continuation(parent: $0.parent, token: $0.token) }
  }

  private struct Candidate {
    let parent: Int
    let token: Int32
    let score: Double
  }

  /// The best continuations of all hypotheses: enough that `beams` of them go on even where every stop token is among
  /// those of each.
  private func candidates(_ logits: [ArraySlice<Float>]) -> [Candidate] {
    let kept = max(2, 1 + stopTokens.count) * beams
    return logits.enumerated().flatMap { parent, logits in
      let most = Double(logits.max() ?? 0)
      let logSum = most + log(logits.reduce(0) { $0 + exp(Double($1) - most) })
      return highest(kept, of: logits).map { token in
        let logProbability = Double(logits[logits.startIndex + token]) - logSum
        return Candidate(parent: parent, token: Int32(token), score: running[parent].score + logProbability)
      }
    }
    .sorted { ($0.score, $1.parent, $1.token) > ($1.score, $0.parent, $0.token) }
    .prefix(kept).map { $0 }
  }

  /// The places of the highest scores, the highest first; of equal ones the first.
  private func highest(_ count: Int, of logits: ArraySlice<Float>) -> [Int] {
    var best: [(score: Float, place: Int)] = []
    for (place, score) in logits.enumerated() {
      if best.count == count, let last = best.last, score <= last.score { continue }
      let at = best.firstIndex { $0.score < score } ?? best.count
      best.insert((score, place), at: at)
      if best.count > count { best.removeLast() }
    }
    return best.map(\.place)
  }
}

/// Beam search as transformers 5 does it (`GenerationMixin._beam_search`, length penalty 1, no early stopping): several
/// sequences are followed, and the finished one with the highest mean log-probability wins.
struct BeamSearch {
  /// A sequence that is followed on.
  struct Beam: Equatable {
    let tokens: [Int32]
    /// Sum of log-probabilities.
    let score: Float
    /// Which beam of the step before it continues from.
    let parent: Int
  }

  private struct Finished {
    let tokens: [Int32]
    /// Mean of log-probabilities.
    let score: Float
  }

  let beams: Int
  let stopTokens: Set<Int32>
  let maxNewTokens: Int
  private(set) var running: [Beam] = [Beam(tokens: [], score: 0, parent: 0)]
  private(set) var isDone = false
  private var finished: [Finished] = []

  /// The best finished sequence, its stop token included.
  var best: [Int32] { finished.first?.tokens ?? running.first?.tokens ?? [] }

  init(beams: Int, stopTokens: Set<Int32>, maxNewTokens: Int) {
    self.beams = beams
    self.stopTokens = stopTokens
    self.maxNewTokens = maxNewTokens
  }

  /// One token on.
  ///
  /// - Shape: logProbabilities [running.count] of [vocabulary].
  mutating func advance(_ logProbabilities: [[Float]]) {
    let length = (running.first?.tokens.count ?? 0) + 1
    let candidates = top(max(2, 1 + stopTokens.count) * beams, logProbabilities)
    let ends = candidates.map { stopTokens.contains($0.tokens.last ?? -1) || length >= maxNewTokens }
    for (candidate, ended) in zip(candidates, ends).prefix(beams) where ended {
      finished.append(Finished(tokens: candidate.tokens, score: candidate.score / Float(length)))
    }
    // Stable: what finished earlier wins among equals.
    finished = Array(finished.enumerated().sorted { ($0.1.score, $1.0) > ($1.1.score, $0.0) }.map(\.1).prefix(beams))
    running = Array(zip(candidates, ends).filter { !$0.1 }.map(\.0).prefix(beams))
    guard let lead = running.first else {
      isDone = true
      return
    }
    if finished.count == beams, let worst = finished.last, lead.score / Float(length) <= worst.score { isDone = true }
  }

  /// The best continuations of all beams; the lower beam and token of equals.
  private func top(_ count: Int, _ logProbabilities: [[Float]]) -> [Beam] {
    var best: [(score: Float, beam: Int, token: Int)] = []
    for (beam, values) in logProbabilities.enumerated() {
      for (token, value) in values.enumerated() {
        let score = value + running[beam].score
        if best.count == count, let last = best.last, score <= last.score { continue }
        let place = best.firstIndex { $0.score < score } ?? best.count
        best.insert((score, beam, token), at: place)
        if best.count > count { best.removeLast() }
      }
    }
    return best.map { Beam(tokens: running[$0.beam].tokens + [Int32($0.token)], score: $0.score, parent: $0.beam) }
  }
}

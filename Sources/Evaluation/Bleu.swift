import Foundation

/// What BLEU counts in one text or, added up, in many (Papineni et al., 2002).
struct BleuCounts: Sendable, Equatable {
  /// Tokens of the candidate.
  var candidateLength = 0
  /// Tokens of the reference whose length is closest, the shorter of two.
  var referenceLength = 0
  /// n-grams of the candidate; [order - 1].
  var total = SIMD4<Int>()
  /// … of which are in a reference, each at most as often as there; [order - 1].
  var matched = SIMD4<Int>()

  /// BLEU-1 to 4 of these counts, with the constants of coco-caption's bleu_scorer: 1e-15 and 1e-9 keep nothing from being
  /// divided by nothing, and make a precision of 0 a very small one.
  var scores: SIMD4<Double> {
    let (tiny, small) = (1e-15, 1e-9)
    var scores = SIMD4<Double>()
    var product = 1.0
    for i in 0..<NGramTable.longest {
      product *= (Double(matched[i]) + tiny) / (Double(total[i]) + small)
      scores[i] = pow(product, 1 / Double(i + 1))
    }
    let ratio = (Double(candidateLength) + tiny) / (Double(referenceLength) + small)
    return ratio < 1 ? scores * exp(1 - 1 / ratio) : scores
  }

  init() {}

  static func += (sum: inout BleuCounts, other: BleuCounts) {
    sum.candidateLength += other.candidateLength
    sum.referenceLength += other.referenceLength
    sum.total &+= other.total
    sum.matched &+= other.matched
  }

  /// - Parameters:
  ///   - candidate: of `candidates`, `length` tokens long.
  ///   - indices: the image's texts among `references`, and `lengths` theirs in tokens.
  init(
    _ candidates: NGramCounts, candidate: Int, length: Int, references: NGramCounts, indices: Range<Int>, lengths: [Int]
  ) {
    candidateLength = length
    referenceLength = lengths.min { (abs($0 - length), $0) < (abs($1 - length), $1) } ?? 0
    for i in 0..<NGramTable.longest {
      let grams = candidates.range(text: candidate, order: i + 1)
      total[i] = max(0, length - i)
      var most = [Int32](repeating: 0, count: grams.count)
      for reference in indices {
        NGramCounts.common(candidates, grams, references, references.range(text: reference, order: i + 1)) {
          most[$0 - grams.lowerBound] = max(most[$0 - grams.lowerBound], references.counts[$1])
        }
      }
      for (count, most) in zip(candidates.counts[grams], most) { matched[i] += Int(min(count, most)) }
    }
  }
}

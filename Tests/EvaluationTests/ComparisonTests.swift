import COCO
import Foundation
import HeadImpact
import TestSupport
import Testing

@testable import Evaluation

@Suite("Two results compared")
struct ComparisonTests {
  private static let nouns = ["dog", "cat", "horse", "bus", "tree", "boat", "cup", "bird"]

  /// 40 images; captions that are right in the images that `isRight` names.
  private func captions(_ isRight: (Int) -> Bool) throws -> CaptionEvaluation {
    let texts = (0..<40).map { "a \(Self.nouns[$0 % 8]) near the \(Self.nouns[$0 % 7]) and a \(Self.nouns[$0 % 5])" }
    let evaluator = try CaptionEvaluator(references(texts.enumerated().map { (Int64($0), [$1]) }))
    return try evaluator.evaluate(texts.enumerated().map { isRight($0) ? $1 : "one thing" })
  }

  @Test("a result compared with itself does not differ significantly")
  func same() throws {
    let evaluation = try captions { $0 % 2 == 0 }
    let comparison = try PairedComparison(evaluation, baseline: evaluation, resamples: 50)
    #expect(
      comparison.differences.map(\.metric) == ["Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4"] + [
        "ROUGE_L", "CIDEr", "exact_match", "token_F1",
      ])
    #expect(comparison.differences.allSatisfy { $0.difference == 0 && $0.lower == 0 && $0.upper == 0 })
    #expect(comparison.differences.allSatisfy { !$0.isDistinguishable })
  }

  @Test("a much better result is significant, a slightly better one isn't; the interval contains the difference")
  func better() throws {
    let (good, fair, poor) = (try captions { $0 % 4 > 0 }, try captions { $0 % 4 > 1 }, try captions { $0 % 4 > 2 })
    let clear = try PairedComparison(good, baseline: poor)
    #expect(clear.differences.allSatisfy { $0.isDistinguishable && $0.lower > 0 })
    for row in clear.differences { #expect(row.lower < row.difference && row.difference < row.upper) }
    #expect(clear.differences[0].score == good.scores[.bleu1])
    let back = try PairedComparison(poor, baseline: good)
    #expect(back.differences.allSatisfy { $0.isDistinguishable && $0.upper < 0 })
    let other = try captions { $0 % 4 > 1 || $0 == 0 }
    #expect(try PairedComparison(other, baseline: fair).differences.allSatisfy { !$0.isDistinguishable })
  }

  @Test("corpus BLEU is computed from the counts of the images drawn")
  func corpusBleu() throws {
    let evaluation = try captions { $0 % 3 == 0 }
    var draws = [Int](repeating: 0, count: 40)
    (draws[0], draws[1], draws[3]) = (2, 1, 1)
    let metrics = evaluation.metrics(
      ofSums: PairedBootstrap.total(evaluation.sums, evaluation.columns, draws), units: 4)
    var counts = BleuCounts()
    for image in [0, 0, 1, 3] { counts += evaluation.bleu[image] }
    #expect(metrics[3] == counts.scores[3])
    let mean = [0, 0, 1, 3].reduce(0.0) { $0 + evaluation.bleu[$1].scores[3] } / 4
    #expect(abs(metrics[3] - mean) > 1e-3)
  }

  @Test("the images drawn are those of the seed")
  func draws() throws {
    let (a, b) = (try captions { $0 % 4 > 0 }, try captions { $0 % 4 > 2 })
    #expect(try PairedComparison(a, baseline: b, seed: 5) == PairedComparison(a, baseline: b, seed: 5))
    #expect(try PairedComparison(a, baseline: b, seed: 5) != PairedComparison(a, baseline: b, seed: 6))
    // The first resample, drawn by hand.
    let random = SplitMix64(seed: 5)
    let images = (0..<40).map { random.below(40, counter: UInt64($0)) }
    let replicate = PairedBootstrap(resamples: 1, seed: 5).replicates(a, b)[0]
    let mean = images.reduce(0.0) { $0 + (a.perImage[.rougeL]?[$1] ?? 0) } / 40
    #expect(abs(replicate.result[4] - mean) < 1e-12)
  }

  @Test("answers are drawn by image, and every question of an image counts")
  func answers() throws {
    let questions = asked(
      (0..<12).map { question(Int64($0), Array(repeating: "yes", count: 10), image: Int64($0 / 3)) })
    let evaluator = try VQAEvaluator(questions)
    let good = try evaluator.evaluate(Array(repeating: "yes", count: 12))
    let poor = try evaluator.evaluate((0..<12).map { $0 < 3 ? "yes" : "no" })
    #expect(poor.units == [0, 1, 2, 3] && poor.sums.prefix(4) == [3, 300, 300, 3])
    let comparison = try PairedComparison(good, baseline: poor)
    #expect(comparison.images == 4 && comparison.differences.map(\.metric) == ["accuracy", "exact_match"])
    #expect(comparison.differences[0].difference == 75)
  }

  @Test("results on other images or by another rule, and one image only, can't be compared")
  func wrong() throws {
    let one = try CaptionEvaluator(references([(1, ["a"])])).evaluate(["a"])
    let other = try CaptionEvaluator(references([(2, ["a"])])).evaluate(["a"])
    #expect(failure { try PairedComparison(one, baseline: other) }?.contains("same images") == true)
    #expect(failure { try PairedComparison(one, baseline: one) }?.contains("several images") == true)
    let asked = asked([question(1, ["x"]), question(2, ["y"])])
    let official = try VQAEvaluator(asked).evaluate(["x", "y"])
    let lmms = try VQAEvaluator(asked, dialect: .lmmsEval).evaluate(["x", "y"])
    #expect(failure { try PairedComparison(official, baseline: lmms) }?.contains("same rule") == true)
    #expect(failure { try PairedComparison(official, baseline: official, resamples: 0) }?.contains("resamples") == true)
  }
}

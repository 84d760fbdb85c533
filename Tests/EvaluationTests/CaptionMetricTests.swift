import COCO
import Foundation
import TestSupport
import Testing

@testable import Evaluation

@Suite("Scores of captions")
struct CaptionMetricTests {
  /// One evaluation of an image per reference list and candidate.
  private func evaluate(_ images: [([String], String)]) throws -> CaptionEvaluation {
    let evaluator = try CaptionEvaluator(references(images.enumerated().map { (Int64($0), $1.0) }))
    return try evaluator.evaluate(images.map(\.1))
  }

  @Test("pycocoevalcap's scores, of the set and of each image")
  func goldens() throws {
    struct Golden: Decodable {
      struct Image: Decodable {
        let id: Int64
        let caption: String
        let references: [String]
      }
      struct Score: Decodable {
        let whole: Double
        let each: [Double]
      }
      let images: [Image]
      let scores: [String: Score]
    }
    let golden = try decode(Golden.self, goldenFile("scores.json"))
    let evaluator = try CaptionEvaluator(references(golden.images.map { ($0.id, $0.references) }))
    let evaluation = try evaluator.evaluate(golden.images.map(\.caption))
    #expect(golden.scores.count == 6)
    for (name, score) in golden.scores {
      let metric = try #require(CaptionMetric(rawValue: name))
      #expect(abs(try #require(evaluation.scores[metric]) - score.whole) < 1e-9, "\(name)")
      let each = try #require(evaluation.perImage[metric])
      #expect(zip(each, score.each).allSatisfy { abs($0 - $1) < 1e-9 } && each.count == score.each.count, "\(name)")
    }
  }

  @Test(
    "coco-caption's scores of real captions", .enabled(if: hasMetricsData, "\(SharedData.absence)"),
    arguments: captionSets)
  func realCaptions(set: String) throws {
    struct Expected: Decodable {
      struct Counts: Decodable {
        let testlen: Int
        let reflen: Int
        let guess: [Int]
        let correct: [Int]
      }
      let scores: [String: Double]
      let bleu_counts: Counts
    }
    let folder = metricsData.appendingPathComponent("captions/\(set)")
    let expected = try decode(Expected.self, folder.appendingPathComponent("expected.json"))
    let perImage = try decode([String: [String: Double]].self, folder.appendingPathComponent("per_image.json"))
    let run = EvaluationRun(
      .captions(references: folder.appendingPathComponent("references.json"), meteor: nil),
      results: folder.appendingPathComponent("candidates.json"))
    let evaluation = try #require(try run.run().captions)
    for metric in evaluation.metrics {
      guard let score = expected.scores[metric.rawValue] else { continue }
      #expect(abs(try #require(evaluation.scores[metric]) - score) < 1e-6, "\(metric.rawValue)")
      for (id, value) in zip(evaluation.imageIDs, try #require(evaluation.perImage[metric])) {
        let image = try #require(perImage["\(id)"]?[metric.rawValue])
        #expect(abs(value - image) < 1e-6, "\(metric.rawValue) of image \(id)")
      }
    }
    let counts = evaluation.corpusBleu
    #expect(
      counts.candidateLength == expected.bleu_counts.testlen && counts.referenceLength == expected.bleu_counts.reflen)
    #expect((0..<4).map { counts.total[$0] } == expected.bleu_counts.guess)
    #expect((0..<4).map { counts.matched[$0] } == expected.bleu_counts.correct)
  }

  @Test("BLEU takes the closest reference's length, the shorter of two")
  func closestLength() throws {
    let evaluation = try evaluate([(["a b", "a b c d e f", "a b c d"], "a b c"), (["x"], "x")])
    #expect(evaluation.bleu[0].referenceLength == 2)
    #expect(evaluation.bleu[0].total == SIMD4(3, 2, 1, 0))
  }

  @Test("exact match and token F1 are those of the best reference")
  func tokens() throws {
    let evaluation = try evaluate([
      (["a red dog", "the dog"], "A dog."), (["A red DOG!", "x"], "a red dog"), (["dog a"], "a dog"), (["a b"], "c d"),
    ])
    #expect(evaluation.perImage[.exactMatch] == [0, 100, 0, 0])
    #expect(evaluation.perImage[.tokenF1] == [0.8, 1, 1, 0])
    #expect(evaluation.scores[.exactMatch] == 25)
  }

  @Test("an empty caption scores 0")
  func empty() throws {
    let evaluation = try evaluate([(["a dog"], ""), (["a cat", "the cat"], "a cat"), (["."], "")])
    for metric in [CaptionMetric.bleu1, .bleu4, .rougeL, .cider, .exactMatch, .tokenF1] {
      #expect(try #require(evaluation.perImage[metric])[0] == 0, "\(metric)")
      #expect(try #require(evaluation.scores[metric]).isFinite)
    }
    // To coco-caption an empty caption is all of an empty reference.
    #expect(evaluation.perImage[.rougeL]?[2] == 1)
  }

  @Test("a set of one image has no CIDEr, and says why")
  func oneImage() throws {
    let one = try CaptionEvaluator(references([(1, ["a dog"])]))
    #expect(try one.evaluate(["a dog"]).scores[.cider] == 0)
    #expect(one.warning?.contains("CIDEr is 0") == true)
    let two = try CaptionEvaluator(references([(1, ["a dog"]), (2, ["a cat"])]))
    #expect(two.warning == nil)
    #expect(try #require(try two.evaluate(["a dog", "a cat"]).scores[.cider]) > 0)
  }

  @Test("an image without a reference, or twice, and too few captions are errors")
  func wrong() throws {
    #expect(failure { try CaptionEvaluator(references([(4, [])])) }?.contains("image 4") == true)
    #expect(failure { try CaptionEvaluator(references([(4, ["a"]), (4, ["a"])])) }?.contains("image 4") == true)
    let evaluator = try CaptionEvaluator(references([(4, ["a"]), (5, ["b"])]))
    #expect(failure { try evaluator.evaluate(["a"]) }?.contains("1 captions of 2 images") == true)
  }

  @Test("tokens get numbers of their own, however many there are")
  func vocabulary() {
    var table = ByteTable()
    let words = (0..<5000).map { Array("word\($0)".utf8) }
    for (i, word) in words.enumerated() {
      #expect(word.withUnsafeBufferPointer { table.number(of: $0) } == (Int32(i), true))
    }
    for (i, word) in words.enumerated() {
      #expect(word.withUnsafeBufferPointer { table.number(of: $0) } == (Int32(i), false))
      #expect(Array(table[Int32(i)]) == word)
    }
  }

  @Test("n-grams are counted by order")
  func nGrams() {
    var table = NGramTable()
    var counts = NGramCounts()
    for tokens: [Int32] in [[1, 2, 1, 2, 1], [2, 1], [], [7]] { counts.append(tokens[...], &table) }
    func sorted(_ text: Int, _ order: Int) -> [Int32] { counts.counts[counts.range(text: text, order: order)].sorted() }
    #expect(sorted(0, 1) == [2, 3] && sorted(0, 2) == [2, 2] && sorted(0, 3) == [1, 2] && sorted(0, 4) == [1, 1])
    #expect(sorted(1, 1) == [1, 1] && sorted(1, 2) == [1] && sorted(1, 3) == [])
    #expect((1...4).allSatisfy { counts.range(text: 2, order: $0).isEmpty })
    var shared: [Int32] = []
    NGramCounts.common(counts, counts.range(text: 0, order: 2), counts, counts.range(text: 1, order: 2)) {
      shared += [counts.counts[$0], counts.counts[$1]]
    }
    #expect(shared == [2, 1])
  }
}

import COCO
import Foundation
import TestSupport
import Testing

@testable import Evaluation

@Suite("Scores of answers")
struct VQATests {
  private func accuracy(
    _ answer: String, _ people: [String], _ dialect: VQADialect = .official
  ) throws -> Double? {
    try VQAEvaluator(asked([question(1, people)]), dialect: dialect).evaluate([answer]).accuracy
  }

  /// Ten answers: `count` times the first, then the others.
  private func people(_ count: Int, _ answer: String, other: String = "zebra") -> [String] {
    (0..<10).map { $0 < count ? answer : other }
  }

  @Test("the official program's accuracies of real answers", .enabled(if: hasMetricsData, "\(SharedData.absence)"))
  func realAnswers() throws {
    struct Expected: Decodable {
      struct Accuracy: Decodable {
        let overall: Double
        let perQuestionType: [String: Double]
        let perAnswerType: [String: Double]
      }
      let accuracy: Accuracy
    }
    let folder = metricsData.appendingPathComponent("vqa")
    let expected = try decode(Expected.self, folder.appendingPathComponent("expected.json")).accuracy
    let perQuestion = try decode([String: Double].self, folder.appendingPathComponent("per_question.json"))
    let run = EvaluationRun(
      .questions(
        folder.appendingPathComponent("questions.json"), annotations: folder.appendingPathComponent("annotations.json"),
        dialect: .official), results: folder.appendingPathComponent("results.json"))
    let answers = try #require(try run.run().answers)
    #expect(abs(try #require(answers.accuracy) - expected.overall) < 1e-6)
    for (groups, accuracies) in [
      (answers.questionTypes, expected.perQuestionType), (answers.answerTypes, expected.perAnswerType),
    ] {
      #expect(groups.map(\.name).sorted() == accuracies.keys.sorted())
      for group in groups {
        #expect(abs(try #require(group.accuracy) - (accuracies[group.name] ?? -1)) < 1e-6, "\(group.name)")
      }
    }
    for (id, accuracy) in zip(answers.questionIDs, try #require(answers.accuracies)) {
      #expect(abs(accuracy - (perQuestion["\(id)"] ?? -1)) < 1e-6, "question \(id)")
    }
  }

  @Test("an answer is as right as people agree", arguments: [(0, 0.0), (1, 30), (2, 60), (3, 90), (4, 100), (10, 100)])
  func agreement(count: Int, expected: Double) throws {
    #expect(abs(try #require(try accuracy("cat", people(count, "cat"))) - expected) < 1e-9)
  }

  @Test("nothing is normalised if all people gave the same answer")
  func allEqual() throws {
    #expect(try accuracy("The cat.", people(10, "cat")) == 0)
    #expect(try accuracy(" cat\n", people(10, "cat")) == 100)
    #expect(try accuracy("The cat.", people(9, "cat")) == 100)
  }

  @Test(
    "answers are normalised by vqaEval.py's rules",
    arguments: [
      ("A Red, car!", "red car"), ("red-white", "red white"), ("red -white", "red white"), ("5.5", "5.5"),
      ("no. 5.", "no 5"),
      ("1,000", "1000"), ("1,000 - a/b", "1000 ab"), ("two none TEN", "2 0 10"), ("dont", "don't"), ("it's", "it's"),
      ("couldntve", "couldntve"), ("couldnt've", "couldn't've"), ("somebody'd", "somebodyd"), ("the a an", ""),
      ("x\u{3000}y", "x y"),
      (".5", ".5"), ("a.b", "ab"), ("what's up?", "what's up"), ("the\tend", "end"),
    ])
  func normalization(answer: String, expected: String) {
    var normalization = VQANormalization(.official)
    #expect(normalization.normalized(Array(answer.unicodeScalars)) == Array(expected.unicodeScalars))
  }

  @Test("of many full stops only 32 go")
  func fullStops() {
    var normalization = VQANormalization(.official)
    let result = normalization.normalized(Array(String(repeating: "x.", count: 40).unicodeScalars))
    #expect(result.count { $0 == "." } == 8 && result.last == ".")
  }

  @Test("lmms-eval always normalises a candidate, and counts several commas as one")
  func lmmsEval() throws {
    #expect(try accuracy("The cat.", people(10, "cat"), .lmmsEval) == 100)
    #expect(try accuracy("the cat's", people(10, "cat 's"), .lmmsEval) == 100)
    var (official, other) = (VQANormalization(.official), VQANormalization(.lmmsEval))
    let answer = Array("1,,2-x".unicodeScalars)
    #expect(official.normalized(answer) == Array("1 2 x".unicodeScalars))
    #expect(other.normalized(answer) == Array("12x".unicodeScalars))
  }

  @Test("an é of two scalars is not one of one scalar, as in Python")
  func scalars() throws {
    #expect(try accuracy("cafe\u{301}", people(4, "caf\u{e9}")) == 0)
  }

  @Test("with fewer than four answers there is no accuracy, but exact match, and a reason")
  func fewAnswers() throws {
    let evaluator = try VQAEvaluator(asked([question(1, ["a cat", "Cat"]), question(2, people(3, "dog"))]))
    let evaluation = try evaluator.evaluate(["the cat", "dog"])
    #expect(evaluation.accuracy == nil && evaluation.accuracies == nil && evaluation.questionsWithFewAnswers == 1)
    #expect(evaluation.exactMatches == [100, 0])
    #expect(evaluation.exactMatch == 50)
    #expect(evaluator.warning?.contains("1 of 2 questions has fewer than 4 answers") == true)
    #expect(try VQAEvaluator(asked([question(1, people(5, "x"))])).warning == nil)
  }

  @Test("types are groups of questions, each with its mean")
  func groups() throws {
    let evaluator = try VQAEvaluator(
      asked([
        question(1, people(10, "yes"), type: "yes/no"), question(2, people(10, "no"), type: "yes/no"),
        question(3, people(10, "2"), type: "number"),
      ]))
    let evaluation = try evaluator.evaluate(["yes", "yes", "2"])
    #expect(evaluation.answerTypes.map(\.name) == ["number", "yes/no"])
    #expect(evaluation.answerTypes.map(\.accuracy) == [100, 50])
    #expect(evaluation.answerTypes.map(\.questions) == [1, 2])
    #expect(evaluation.questionTypes.isEmpty)
  }
}

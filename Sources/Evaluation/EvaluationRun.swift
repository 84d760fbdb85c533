import COCO
import Foundation
import IO

/// Evaluates result files against a file of references or questions.
public struct EvaluationRun: Sendable {
  /// What the results are compared with.
  public enum Subject: Sendable {
    case captions(references: URL, meteor: MeteorJar?)
    case questions(URL, annotations: URL?, dialect: VQADialect)
  }

  public var subject: Subject
  public var results: URL
  /// Other results for the same images, to compare with.
  public var baseline: URL?
  /// Whether images or questions without a result are left out, instead of being an error.
  public var isPartial = false
  /// Bootstrap resamples, and the seed of their draws.
  public var resamples = 1000
  public var seed: UInt64 = 0

  public init(_ subject: Subject, results: URL, baseline: URL? = nil) {
    self.subject = subject
    self.results = results
    self.baseline = baseline
  }

  /// - Throws: `COCOError` or `EvaluationError` naming the file, and in it the place or the id.
  public func run() throws -> EvaluationReport {
    switch subject {
    case .captions(let references, let meteor):
      return try evaluateCaptions(CaptionReferences(contentsOf: references), meteor)
    case .questions(let questions, let annotations, let dialect):
      return try evaluateAnswers(AnsweredQuestions(questions: questions, annotations: annotations), dialect)
    }
  }

  private func evaluateCaptions(_ references: CaptionReferences, _ meteor: MeteorJar?) throws -> EvaluationReport {
    let sources = try read(references.kind)
    let texts = try PairedTexts(
      references.images.map(\.id), others: references.silent, unreadable: references.unreadable,
      of: references.name, sources, what: references.kind == .captions ? "image" : "conversation", isPartial: isPartial)
    let images = texts.kept.map { references.images[$0] }
    let evaluator = try CaptionEvaluator(
      CaptionReferences(name: references.name, images: images, kind: references.kind))
    let evaluations = try texts.texts.map { try evaluator.evaluate($0, meteor: meteor) }
    let silent = references.silent.count
    var report = EvaluationReport(
      warnings: references.problems.warnings()
        + [
          silent == 0
            ? nil
            : "\(counted(silent, references.kind == .captions ? "image" : "conversation")) of \(references.name) \(agreeing(with: silent, "has no text and is", "have no text and are")) left out",
          texts.warning, evaluator.warning,
        ])
    report.captions = evaluations.first
    report.perImage = evaluations.first.map { PerImageTable($0) }
    if evaluations.count > 1 {
      report.comparison = try PairedComparison(
        evaluations[0], baseline: evaluations[1], resamples: resamples, seed: seed)
    }
    return report
  }

  private func evaluateAnswers(_ questions: AnsweredQuestions, _ dialect: VQADialect) throws -> EvaluationReport {
    let sources = try read(.questions)
    let texts = try PairedTexts(
      questions.questions.map(\.id), others: questions.unannotated, unreadable: questions.unreadable,
      of: questions.name, sources, what: "question", isPartial: isPartial)
    let evaluator = try VQAEvaluator(
      AnsweredQuestions(name: questions.name, questions: texts.kept.map { questions.questions[$0] }), dialect: dialect)
    let evaluations = try texts.texts.map { try evaluator.evaluate($0) }
    let silent = questions.unannotated.count
    var report = EvaluationReport(
      warnings: questions.problems.warnings()
        + [
          silent == 0
            ? nil
            : "\(silent) of \(counted(silent + questions.questions.count, "question")) \(agreeing(with: silent, "has no annotation and is", "have no annotation and are")) left out, as in VQA's "
              + "own program", texts.warning, evaluator.warning,
        ])
    report.answers = evaluations.first
    report.perImage = evaluations.first.map { PerImageTable($0) }
    if evaluations.count > 1 {
      report.comparison = try PairedComparison(
        evaluations[0], baseline: evaluations[1], resamples: resamples, seed: seed)
    }
    return report
  }

  private func read(_ kind: ImageTextDataset.Kind) throws -> [GeneratedTexts] {
    try ([results] + (baseline.map { [$0] } ?? [])).map { try GeneratedTexts(contentsOf: $0, kind: kind) }
  }
}

/// What `EvaluationRun` found.
public struct EvaluationReport: Sendable, Encodable {
  public internal(set) var captions: CaptionEvaluation?
  public internal(set) var answers: VQAEvaluation?
  public internal(set) var comparison: PairedComparison?
  /// Warnings for the reader of the numbers.
  public let warnings: [String]
  /// One row per image, for a separate file.
  public internal(set) var perImage: PerImageTable?

  private enum CodingKeys: String, CodingKey { case captions, answers, comparison, warnings }

  init(warnings: [String?]) { self.warnings = warnings.compactMap { $0 } }
}

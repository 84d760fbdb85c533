import COCO
import Evaluation
import Foundation
import RunSupport

/// What answers are compared with.
struct AblationReferences: Sendable {
  private enum Kind: Sendable {
    case captions(CaptionReferences)
    case questions(AnsweredQuestions)
  }

  private let kind: Kind
  private let outcomes: [AblationOutcome]

  /// - Throws: `COCOError` naming the file; `JobError` if an outcome is not one of such a dataset.
  init(_ c: AblateConfiguration, _ dataset: ImageTextDataset) throws {
    let outcomes = AblationOutcome.allCases.filter { $0.needsText && c.measured($0) }
    func refuse(_ outcome: AblationOutcome, _ needed: String) throws {
      guard !outcomes.contains(outcome) else {
        throw JobError("--outcome \(outcome.rawValue): \(c.dataset.path) has none of it; it needs \(needed)")
      }
    }
    self.outcomes = outcomes
    if dataset.kind == .questions {
      try refuse(.cider, "captions, or objects with descriptions")
      let questions = try AnsweredQuestions(questions: c.dataset, annotations: c.annotations)
      if outcomes.contains(.accuracy), let warning = try VQAEvaluator(questions).warning {
        throw JobError("--outcome accuracy: \(warning)")
      }
      kind = .questions(questions)
    } else {
      try refuse(.accuracy, "questions with answers")
      kind = .captions(try CaptionReferences(contentsOf: c.dataset))
    }
  }

  /// One outcome of answers: a value for each, and the image that it counts for.
  struct Scores: Equatable {
    let outcome: AblationOutcome
    /// Of the unmodified model, then of each ablation. - Shape: [1 + ablations] of [answers].
    let values: [[Double]]
    /// - Shape: [answers].
    let imageIDs: [Int64]
    /// Why the outcome says nothing here; nil if it does.
    let warning: String?
  }

  /// - Parameter answers: of all units; those without a reference are left out.
  /// - Throws: `JobError` if none has one; `EvaluationError`.
  func scores(of answers: [UnitLosses.Answer]) throws -> [Scores] {
    let texts = Dictionary(uniqueKeysWithValues: answers.map { ($0.id, $0.texts) })
    let runs = answers.first?.texts.count ?? 0
    switch kind {
    case .captions(let references):
      let images = references.images.filter { texts[$0.id] != nil }
      guard !images.isEmpty else { throw nothing }
      let evaluator = try CaptionEvaluator(CaptionReferences(name: references.name, images: images))
      let found = try (0..<runs).map { run in try evaluator.evaluate(images.map { texts[$0.id]?[run] ?? "" }) }
      return outcomes.map { outcome in
        let metric: CaptionMetric = outcome == .cider ? .cider : .exactMatch
        return Scores(
          outcome: outcome, values: found.map { $0.perImage[metric] ?? [] }, imageIDs: images.map(\.id),
          warning: outcome == .cider ? evaluator.warning : nil)
      }
    case .questions(let questions):
      let asked = questions.questions.filter { texts[$0.id] != nil }
      guard !asked.isEmpty else { throw nothing }
      let evaluator = try VQAEvaluator(AnsweredQuestions(name: questions.name, questions: asked))
      let found = try (0..<runs).map { run in try evaluator.evaluate(asked.map { texts[$0.id]?[run] ?? "" }) }
      return outcomes.map { outcome in
        Scores(
          outcome: outcome, values: found.map { outcome == .accuracy ? $0.accuracies ?? [] : $0.exactMatches },
          imageIDs: asked.map(\.imageID), warning: nil)
      }
    }
  }

  private var nothing: JobError { JobError("no answer has a text that it can be compared with") }
}

import Decoding
import Foundation
import RunSupport

/// Units whose answers grow together, each until its last one is there.
final class UnitBatch {
  private struct Member {
    let unit: GenerationUnit
    var outcomes: [Int64: GenerationResult.Outcome] = [:]
    /// Pictures whose answers are not there yet.
    var pictures = 0

    var result: GenerationResult {
      GenerationResult(imageID: unit.imageID, outcomes: unit.examples.compactMap { outcomes[$0.id] })
    }
  }

  private let batch: AnswerBatch
  /// By the units' keys.
  private var members: [Int: Member] = [:]
  /// Of each picture in the batch, its unit and the examples that it is asked for.
  private var pictures: [Int: (unit: Int, examples: [Int64])] = [:]
  private var nextPicture = 0

  init(_ batch: AnswerBatch) { self.batch = batch }

  /// Whether another unit could be begun at once.
  var wantsMore: Bool { batch.wantsMore }
  var isEmpty: Bool { members.isEmpty }

  /// Adds a unit.
  ///
  /// - Returns: its result, if nothing can be asked about it.
  func begin(_ unit: GenerationUnit, asking questions: GenerationUnit.Questions) -> GenerationResult? {
    var member = Member(unit: unit)
    for sample in questions.skipped {
      member.outcomes[sample.id] = GenerationResult.Outcome(id: sample.id, skip: sample.reason)
    }
    for (image, questions) in questions.asked where !questions.isEmpty {
      batch.add(nextPicture, image: image, questions: questions)
      pictures[nextPicture] = (unit.key, questions.map(\.id))
      nextPicture += 1
      member.pictures += 1
    }
    if member.pictures == 0 { return member.result }
    members[unit.key] = member
    return nil
  }

  /// Takes one token on every answer.
  ///
  /// - Returns: the results of the units that are done with it.
  /// - Throws: errors of the backend, what `poll` throws.
  func step(poll: @escaping () throws -> Void) throws -> [GenerationResult] {
    var results: [GenerationResult] = []
    for finished in try batch.step(poll: poll) {
      guard let (unit, examples) = pictures.removeValue(forKey: finished.key) else { continue }
      for (id, outcome) in zip(examples, finished.outcomes) {
        members[unit]?.outcomes[id] =
          switch outcome {
          case .answer(let answer):
            GenerationResult.Outcome(id: id, found: answer.text.trimmingCharacters(in: .whitespacesAndNewlines))
          case .fault(let fault):
            GenerationResult.Outcome(id: id, skip: SkipReason(fault is NotFiniteScores ? .notFinite : .picture, fault))
          }
      }
      members[unit]?.pictures -= 1
      if let member = members[unit], member.pictures == 0 {
        results.append(member.result)
        members[unit] = nil
      }
    }
    return results
  }
}

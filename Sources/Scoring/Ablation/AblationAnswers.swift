import Decoding
import Foundation
import IO
import ImageInput
import RunSupport
import Transformer
import VisionLanguage

/// The answers of the unmodified model, then of each ablation, to questions about several images at once.
///
/// Ablated heads know which rows are the image's by their positions. So the images of one batch have the same ones, as
/// images of one size have.
final class AblationAnswers {
  /// What is asked about one image.
  struct Asked {
    let image: RGBImage
    let visual: VisualFeatures
    let questions: [TextGenerator.Question]
  }

  private struct Picture {
    let member: Int
    var questions: [TextGenerator.Question]

    func hasSameImage(as question: TextGenerator.Question) -> Bool {
      questions[0].tokens.hasSameImage(as: question.tokens)
    }
  }

  private let model: any VisionLanguageModel
  private let batch: AnswerBatch

  init(_ model: any VisionLanguageModel, _ generator: TextGenerator) {
    (self.model, batch) = (model, generator.batch())
  }

  /// - Returns: of each image its answers in the order of its questions, or why there are none.
  /// - Throws: errors of the environment, a failed library call, what `poll` throws.
  func answers(
    to asked: [Asked], ablations: [AblatedHeads], poll: @escaping () throws -> Void
  ) throws -> [Result<[UnitLosses.Answer], Fault>] {
    defer { model.decoder.ablatedHeads = .none }
    var faults: [Int: Fault] = [:]
    var texts: [Int: [Int64: [String]]] = [:]
    for group in groups(of: asked) {
      for heads in [AblatedHeads.none] + ablations {
        model.decoder.ablatedHeads = heads.inPass(over: group.flatMap { $0.questions.map(\.tokens) })
        let usable = group.filter { faults[$0.member] == nil }
        for (key, outcomes) in try run(usable, asked, poll: poll) {
          for (question, outcome) in zip(usable[key].questions, outcomes) {
            switch outcome {
            case .answer(let answer):
              texts[usable[key].member, default: [:]][question.id, default: []]
                .append(answer.text.trimmingCharacters(in: .whitespacesAndNewlines))
            case .fault(let fault): faults[usable[key].member] = Fault(fault)
            }
          }
        }
      }
    }
    return asked.enumerated().map { member, one in
      if let fault = faults[member] { return .failure(fault) }
      return .success(
        one.questions.map { UnitLosses.Answer(id: $0.id, texts: texts[member]?[$0.id] ?? []) })
    }
  }

  /// A fault that costs an image all its answers.
  struct Fault: Error {
    let content: any ContentFault

    init(_ content: any ContentFault) { self.content = content }
  }

  /// Pictures, each with questions whose image tokens have the same positions in the whole group.
  private func groups(of asked: [Asked]) -> [[Picture]] {
    var groups: [[Picture]] = []
    for (member, one) in asked.enumerated() {
      for question in one.questions {
        guard let at = groups.firstIndex(where: { $0[0].hasSameImage(as: question) }) else {
          groups.append([Picture(member: member, questions: [question])])
          continue
        }
        if groups[at][groups[at].count - 1].member == member {
          groups[at][groups[at].count - 1].questions.append(question)
        } else {
          groups[at].append(Picture(member: member, questions: [question]))
        }
      }
    }
    return groups
  }

  /// - Returns: by the pictures' places what became of their questions.
  private func run(
    _ pictures: [Picture], _ asked: [Asked], poll: @escaping () throws -> Void
  ) throws -> [Int: [AnswerBatch.Outcome]] {
    var outcomes: [Int: [AnswerBatch.Outcome]] = [:]
    var next = 0
    while true {
      while next < pictures.count, batch.wantsMore {
        let (picture, one) = (pictures[next], asked[pictures[next].member])
        batch.add(next, image: one.image, questions: picture.questions, encoded: one.visual)
        next += 1
      }
      if batch.isEmpty { return outcomes }
      for finished in try batch.step(poll: poll) { outcomes[finished.key] = finished.outcomes }
    }
  }
}

import COCO
import Foundation
import ImageInput
import Jobs
import VisionLanguage

/// Answers one unit's questions.
struct UnitWriter {
  let model: any VisionLanguageModel
  let images: URL
  private let generator: TextGenerator

  init(model: any VisionLanguageModel, configuration: GenerationConfiguration) {
    self.model = model
    images = configuration.images
    generator = TextGenerator(model, options: configuration.decoding)
  }

  /// - Parameter poll: called after each layer.
  /// - Throws: what is no example's own fault: a model whose scores are not finite, a failed library call.
  func answer(_ unit: GenerationUnit, poll: @escaping () throws -> Void) throws -> UnitAnswers {
    let image: RGBImage
    let layout: VisualLayout
    do {
      image = try JobInputs.image(unit.fileName, in: images, size: unit.size.map { ($0.width, $0.height) })
      layout = try model.visualLayout(width: image.width, height: image.height)
    } catch {
      return UnitAnswers(
        imageID: unit.imageID,
        outcomes: unit.questions.map { AnswerOutcome(id: $0.id, kind: .skipped(reason: "\(error)")) })
    }
    var outcomes: [Int64: AnswerOutcome.Kind] = [:]
    var requests: [TextGenerator.Request] = []
    for question in unit.questions {
      do {
        requests.append(
          TextGenerator.Request(
            id: question.id,
            question: try model.question(prompt: question.prompt, visualTokens: layout.visualTokens)))
      } catch {
        outcomes[question.id] = .skipped(reason: "\(error)")
      }
    }
    let answers = try generator.answers(to: requests, about: image, poll: poll)
    for (request, ids) in zip(requests, answers) {
      // A stop token that some tokenizer doesn't hold for a control token is no part of the text either.
      let text = model.text(of: ids.filter { !model.stopTokens.contains($0) })
      outcomes[request.id] = .answered(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }
    return UnitAnswers(
      imageID: unit.imageID,
      outcomes: unit.questions.map {
        AnswerOutcome(id: $0.id, kind: outcomes[$0.id] ?? .skipped(reason: "was not answered"))
      })
  }
}

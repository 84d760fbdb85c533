import COCO
import Foundation
import TestSupport

@testable import Evaluation

/// What coco-caption and VQA's own program made of real captions and answers.
let metricsData = SharedData.file("metrics")
let hasMetricsData = SharedData.has("metrics")
let captionSets = ["edge_12", "fakecap_150", "human_200", "magic_300"]

func goldenFile(_ name: String) -> URL {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens/\(name)")
}

func decode<T: Decodable>(_ type: T.Type, _ url: URL) throws -> T {
  try JSONDecoder().decode(type, from: Data(contentsOf: url))
}

/// Tokens of captions joined by spaces, in the order in which the tokenizer gets them.
func tokens(_ captions: [String]) -> [String] {
  var tokenizer = PTBTokenizer()
  let texts = TokenizedTexts(captions, &tokenizer)
  return captions.indices.map { texts.text($0, tokenizer) }
}

func references(_ images: [(Int64, [String])]) -> CaptionReferences {
  CaptionReferences(name: "references.json", images: images.map { CaptionReferences.Image(id: $0.0, texts: $0.1) })
}

func question(
  _ id: Int64, _ answers: [String], image: Int64? = nil, type: String? = nil
) -> AnsweredQuestions.Question {
  AnsweredQuestions.Question(id: id, imageID: image ?? id, questionType: nil, answerType: type, answers: answers)
}

func asked(_ questions: [AnsweredQuestions.Question]) -> AnsweredQuestions {
  AnsweredQuestions(name: "questions.json", questions: questions)
}

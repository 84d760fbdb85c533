import Foundation

/// Questions about images and what people answered: VQA v2 question and annotation files, or a COCO-schema dataset whose
/// annotations have `question` and `answers`.
public struct AnsweredQuestions: Sendable, Equatable {
  public struct Question: Sendable, Equatable {
    public let id: Int64
    public let imageID: Int64
    /// VQA v2's question_type ("what color is the") and answer_type ("yes/no", "number", "other"); nil where there is none.
    public let questionType: String?
    public let answerType: String?
    /// In the order of the file; at least one.
    public let answers: [String]

    public init(id: Int64, imageID: Int64, questionType: String?, answerType: String?, answers: [String]) {
      self.id = id
      self.imageID = imageID
      self.questionType = questionType
      self.answerType = answerType
      self.answers = answers
    }
  }

  /// The question file as the user named it.
  public let name: String
  /// In the order of the file.
  public let questions: [Question]

  public init(name: String, questions: [Question]) {
    self.name = name
    self.questions = questions
  }

  /// - Parameter annotations: the answers of a VQA v2 question file; nil for a dataset that has both.
  /// - Throws: `COCOError` naming file and place.
  public init(questions: URL, annotations: URL?) throws {
    try self.init(
      json: [UInt8](Data(readingCOCO: questions)), name: questions.path,
      annotations: annotations.map { (json: [UInt8](try Data(readingCOCO: $0)), name: $0.path) })
  }

  /// - Parameters:
  ///   - json: the questions, and `name` what errors call their file.
  ///   - annotations: the answers of a VQA v2 question file; nil for a dataset that has both.
  /// - Throws: `COCOError` naming file and place.
  public init(json: [UInt8], name: String, annotations: (json: [UInt8], name: String)? = nil) throws {
    self.name = name
    if let annotations {
      let asked = try COCOError.inFile(name) { try VQAFile.questions(json) }
      let answered = try COCOError.inFile(annotations.name) { try VQAFile.annotations(annotations.json) }
      questions = try asked.enumerated().map { at, question in
        guard let annotation = answered[question.id], !annotation.answers.isEmpty else {
          throw COCOError(
            file: name, jsonPath: "questions[\(at)]",
            problem: "question \(question.id) has no \(answered[question.id] == nil ? "annotation" : "answers") in "
              + annotations.name)
        }
        return Question(
          id: question.id, imageID: question.imageID, questionType: annotation.questionType,
          answerType: annotation.answerType, answers: annotation.answers)
      }
    } else {
      questions = try COCOError.inFile(name) { try Self.dataset(json) }
    }
    guard !questions.isEmpty else { throw COCOError(file: name, problem: "there is no question") }
  }

  private static func dataset(_ json: [UInt8]) throws -> [Question] {
    guard try !ImageTextDataset.keys(of: json).contains("questions") else {
      throw COCOError(problem: "is a VQA v2 question file, whose answers are in an annotation file of their own")
    }
    return try AnnotationTexts(json).records.enumerated().map { at, record in
      guard record.question != nil, let answers = record.answers, !answers.isEmpty else {
        throw COCOError(
          jsonPath: "annotations[\(at)]", problem: "annotation \(record.id) needs \"question\" and \"answers\"")
      }
      return Question(
        id: record.id, imageID: record.imageID, questionType: nil, answerType: nil, answers: answers)
    }
  }
}

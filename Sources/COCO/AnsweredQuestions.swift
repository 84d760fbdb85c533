import Foundation
import IO

/// Questions about images and what people answered: VQA v2 question and annotation files, or a COCO-schema dataset
/// whose annotations have `question` and `answers`.
public struct AnsweredQuestions: Sendable, Equatable {
  public struct Question: Sendable, Equatable {
    public let id: Int64
    public let imageID: Int64
    /// VQA v2's question_type ("what color is the") and answer_type ("yes/no", "number", "other"); nil if there is
    /// none.
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
  /// Those that have answers, in the order of the file.
  public let questions: [Question]
  /// The ids of the questions without an annotation: VQA's own program leaves them out too.
  public let unannotated: [Int64]
  /// The ids of the questions that can't be used, as a record of theirs is broken.
  public let unreadable: [Int64]
  /// What is wrong with the files' records: those that can't be used are left out.
  public let problems: RecordProblems

  public init(name: String, questions: [Question]) {
    self.name = name
    self.questions = questions
    (unannotated, unreadable) = ([], [])
    problems = RecordProblems()
  }

  /// - Parameter annotations: the answers of a VQA v2 question file; nil for a dataset that has both.
  /// - Throws: `COCOError` naming file and place, if a whole file can't be used; what `InputFile.read` throws.
  public init(questions: URL, annotations: URL?) throws {
    try self.init(
      json: try InputFile.read(questions), name: questions.path,
      annotations: annotations.map { (json: try InputFile.read($0), name: $0.path) })
  }

  /// - Parameters:
  ///   - json: the questions, and `name` what errors call their file.
  ///   - annotations: the answers of a VQA v2 question file; nil for a dataset that has both.
  /// - Throws: `COCOError` naming file and place, if a whole file can't be used, or no question has answers.
  public init(json: [UInt8], name: String, annotations: (json: [UInt8], name: String)? = nil) throws {
    self.name = name
    if let annotations {
      let asked = try COCOError.inFile(name) { try VQAFile.questions(json, needsText: false) }
      let answered = try COCOError.inFile(annotations.name) { try VQAFile.annotations(annotations.json) }
      let answers = Dictionary(answered.records.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
      var problems = asked.problems
      problems.add(answered.problems)
      let lost = Set(problems.lost.compactMap(\.id))
      var (questions, unannotated): ([Question], [Int64]) = ([], [])
      for question in asked.records {
        guard let annotation = answers[question.id] else {
          if !lost.contains(question.id) { unannotated.append(question.id) }
          continue
        }
        guard !annotation.answers.isEmpty else {
          problems.add(
            RecordProblem(
              .annotation, at: annotation.position, id: annotation.id,
              COCOError(jsonPath: "annotations[\(annotation.position)]", problem: "has no answers that can be read"),
              cost: .record))
          continue
        }
        questions.append(
          Question(
            id: question.id, imageID: question.image.id, questionType: annotation.questionType,
            answerType: annotation.answerType, answers: annotation.answers))
      }
      problems.sort()
      (self.questions, self.unannotated, self.problems) = (questions, unannotated, problems)
    } else {
      (questions, problems) = try COCOError.inFile(name) { try Self.dataset(json) }
      unannotated = []
    }
    unreadable = problems.lost.compactMap(\.id)
    guard !questions.isEmpty else {
      throw COCOError(
        file: name,
        problem: (annotations.map { "there is no question with an annotation in \($0.name)" } ?? "there is no question")
          + problems.lost.prefix(5).map { "\n  \($0)" }.joined())
    }
  }

  private static func dataset(_ json: [UInt8]) throws -> ([Question], RecordProblems) {
    guard !ConversationFile.recognises(json) else {
      throw COCOError(
        problem:
          "is a file of conversations, with one answer each: VQA accuracy needs several, so compare by --references, "
          + "which also counts exact matches")
    }
    guard try !ImageTextDataset.keys(of: json).contains("questions") else {
      throw COCOError(problem: "is a VQA v2 question file, whose answers are in a separate annotation file")
    }
    var file = try AnnotationTexts(json, needsIDs: true)
    var questions: [Question] = []
    for record in file.records {
      guard record.question != nil, let answers = record.answers, !answers.isEmpty else {
        file.lose(record, "needs \"question\" and \"answers\"")
        continue
      }
      questions.append(
        Question(id: record.id, imageID: record.imageID, questionType: nil, answerType: nil, answers: answers))
    }
    return (questions, file.problems)
  }
}

extension AnsweredQuestions {
  public static func == (a: AnsweredQuestions, b: AnsweredQuestions) -> Bool {
    a.name == b.name && a.questions == b.questions && a.unannotated == b.unannotated
  }
}

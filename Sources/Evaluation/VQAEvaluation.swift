import COCO

/// How good the answers to many questions are: a pure value, made by `VQAEvaluator`. Accuracies are in percent, as
/// VQA's own program prints them.
public struct VQAEvaluation: Sendable, Equatable {
  /// The questions that have one type in common.
  public struct Group: Sendable, Equatable, Encodable {
    public let name: String
    public let questions: Int
    /// Nil if the rule can't be applied.
    public let accuracy: Double?
    public let exactMatch: Double
  }

  public let dialect: VQADialect
  /// In the order of the file.
  public let questionIDs: [Int64]
  /// The image of each question. - Shape: [question]
  public let imageIDs: [Int64]
  /// The mean over questions; nil if a question has too few answers for the rule.
  public let accuracy: Double?
  /// The mean over questions.
  public let exactMatch: Double
  /// By VQA v2's question_type and answer_type, in the order of their names; empty if the file has none.
  public let questionTypes: [Group]
  public let answerTypes: [Group]
  /// How many questions have fewer answers than `VQAEvaluator.fewestAnswers`.
  public let questionsWithFewAnswers: Int
  /// Accuracy of each question; nil if a question has too few answers. - Shape: [question]
  public let accuracies: [Double]?
  /// 100 if the answer equals the most frequent human answer, both normalised; else 0. - Shape: [question]
  public let exactMatches: [Double]

  init(_ questions: [AnsweredQuestions.Question], dialect: VQADialect, accuracies: [Double], exactMatches: [Double]) {
    self.dialect = dialect
    questionIDs = questions.map(\.id)
    imageIDs = questions.map(\.imageID)
    questionsWithFewAnswers = questions.count { $0.answers.count < VQAEvaluator.fewestAnswers }
    let isFair = questionsWithFewAnswers == 0
    self.accuracies = isFair ? accuracies : nil
    self.exactMatches = exactMatches
    accuracy = isFair ? Self.mean(accuracies) : nil
    exactMatch = Self.mean(exactMatches)
    func groups(_ type: (AnsweredQuestions.Question) -> String?) -> [Group] {
      var members: [String: [Int]] = [:]
      for (at, question) in questions.enumerated() {
        if let name = type(question) { members[name, default: []].append(at) }
      }
      return members.sorted { $0.key < $1.key }.map { name, places in
        Group(
          name: name, questions: places.count, accuracy: isFair ? Self.mean(places.map { accuracies[$0] }) : nil,
          exactMatch: Self.mean(places.map { exactMatches[$0] }))
      }
    }
    questionTypes = groups(\.questionType)
    answerTypes = groups(\.answerType)
  }

  private static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }
}

extension VQAEvaluation: Encodable {
  private enum Key: String, CodingKey {
    case dialect, questions, accuracy, exactMatch, questionTypes, answerTypes, questionsWithFewAnswers
  }

  /// The scores; the scores of each question go to a separate file.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(dialect, forKey: .dialect)
    try values.encode(questionIDs.count, forKey: .questions)
    try values.encodeIfPresent(accuracy, forKey: .accuracy)
    try values.encode(exactMatch, forKey: .exactMatch)
    try values.encode(questionTypes, forKey: .questionTypes)
    try values.encode(answerTypes, forKey: .answerTypes)
    try values.encode(questionsWithFewAnswers, forKey: .questionsWithFewAnswers)
  }
}

import COCO
import IO

/// Scores answers by VQA's rule (Antol et al., 2015): the score of an answer is the agreement of people with it.
///
/// Leave out each person in turn: the score is min(1, n / 3) if n of the others gave the answer; the accuracy
/// is the mean of that.
public struct VQAEvaluator: Sendable {
  /// With fewer, no answer could reach 100%: three of the others must agree.
  public static let fewestAnswers = 4

  public let questions: AnsweredQuestions
  public let dialect: VQADialect

  /// - Throws: `EvaluationError` if there is no question, one occurs twice, or one has no answer.
  public init(_ questions: AnsweredQuestions, dialect: VQADialect = .official) throws {
    var seen: Set<Int64> = []
    for question in questions.questions {
      guard seen.insert(question.id).inserted, !question.answers.isEmpty else {
        throw EvaluationError("\(questions.name): question \(question.id) occurs twice, or has no answers")
      }
    }
    guard !seen.isEmpty else { throw EvaluationError("\(questions.name): there is no question") }
    self.questions = questions
    self.dialect = dialect
  }

  /// Why there is no accuracy; nil if there is.
  public var warning: String? {
    let few = questions.questions.count { $0.answers.count < Self.fewestAnswers }
    guard few > 0 else { return nil }
    return
      "\(few) of \(counted(questions.questions.count, "question")) \(agreeing(with: few, "has", "have")) fewer than \(Self.fewestAnswers) answers: VQA's rule needs "
      + "three people besides the one left out, so it could never reach 100% and is not applied; exact_match compares with "
      + "the most frequent answer"
  }

  /// - Parameter answers: one to each question, in their order.
  /// - Throws: `EvaluationError` if there are more or fewer.
  public func evaluate(_ answers: [String]) throws -> VQAEvaluation {
    guard answers.count == questions.questions.count else {
      throw EvaluationError(
        "\(answers.count) answers to \(questions.questions.count) questions: there must be one to each")
    }
    var normalization = VQANormalization(dialect)
    var (accuracies, exactMatches): ([Double], [Double]) = ([], [])
    for (question, answer) in zip(questions.questions, answers) {
      let people = question.answers.map { VQANormalization.trimmed($0.unicodeScalars) }
      let candidate = normalization.candidate(answer)
      let normalizedPeople = people.map { normalization.normalized($0) }
      let normalizedCandidate = normalization.normalized(candidate)
      // If all people gave the same answer, nothing is normalised: "The cat." is wrong where all ten said "cat".
      accuracies.append(
        Set(people).count > 1
          ? Self.accuracy(normalizedCandidate, normalizedPeople) : Self.accuracy(candidate, people))
      exactMatches.append(normalizedCandidate == Self.majority(normalizedPeople) ? 100 : 0)
    }
    return VQAEvaluation(
      questions.questions, dialect: dialect, accuracies: accuracies, exactMatches: exactMatches)
  }

  private static func accuracy(_ candidate: VQANormalization.Answer, _ people: [VQANormalization.Answer]) -> Double {
    let agreeing = people.count { $0 == candidate }
    let sum = people.reduce(0.0) { sum, answer in
      sum + min(1, Double(agreeing - (answer == candidate ? 1 : 0)) / 3)
    }
    return 100 * sum / Double(people.count)
  }

  /// The most frequent answer; the first among equals.
  private static func majority(_ people: [VQANormalization.Answer]) -> VQANormalization.Answer? {
    let counts = Dictionary(people.map { ($0, 1) }, uniquingKeysWith: +)
    let most = counts.values.max()
    return people.first { counts[$0] == most }
  }
}

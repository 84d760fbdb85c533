import Jobs

/// What became of one question.
struct AnswerOutcome: Equatable, Sendable {
  enum Kind: Equatable, Sendable {
    case answered(String)
    /// It can't be answered, and why.
    case skipped(reason: String)
  }

  /// The question's id; of a caption, the image's.
  let id: Int64
  let kind: Kind
}

/// The outcomes of one unit's questions, as they travel to rank 0 and lie in the journal.
struct UnitAnswers: Equatable, Sendable {
  let imageID: Int64
  let outcomes: [AnswerOutcome]

  init(imageID: Int64, outcomes: [AnswerOutcome]) {
    self.imageID = imageID
    self.outcomes = outcomes
  }

  func encode() -> [UInt8] {
    var writer = ByteWriter()
    writer.integer(Int(imageID))
    writer.integer(outcomes.count)
    for outcome in outcomes {
      writer.integer(Int(outcome.id))
      switch outcome.kind {
      case .answered(let text):
        writer.integer(0)
        writer.bytes(Array(text.utf8))
      case .skipped(let reason):
        writer.integer(1)
        writer.bytes(Array(reason.utf8))
      }
    }
    return writer.bytes
  }

  /// - Throws: `JobError` where the bytes aren't a unit's answers.
  init(decoding bytes: [UInt8]) throws {
    var reader = ByteReader(bytes)
    imageID = Int64(try reader.integer())
    let count = try reader.integer()
    guard count >= 0 else { throw JobError("a result claims \(count) answers") }
    var outcomes: [AnswerOutcome] = []
    for _ in 0..<count {
      let id = Int64(try reader.integer())
      let kind = try reader.integer()
      let text = String(decoding: try reader.bytes(), as: UTF8.self)
      switch kind {
      case 0: outcomes.append(AnswerOutcome(id: id, kind: .answered(text)))
      case 1: outcomes.append(AnswerOutcome(id: id, kind: .skipped(reason: text)))
      default: throw JobError("a result has outcome \(kind); known are 0 and 1")
      }
    }
    try reader.finish()
    self.outcomes = outcomes
  }
}

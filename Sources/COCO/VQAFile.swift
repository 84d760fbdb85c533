import JSON

/// The records of VQA v2 question and annotation files (visualqa.org/vqa_v2_format.html). A record that can't be used
/// is left out, and `problems` says which and why.
enum VQAFile {
  /// What names a question's image: VQA's is a number, TextVQA's a word of hexadecimal digits.
  enum ImageName: Sendable, Hashable {
    case number(Int64)
    case word(String)

    /// A number for journals and tables. For a word it is computed, negative, and the same in every file.
    var id: Int64 {
      switch self {
      case .number(let number): return number
      case .word(let word):
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a
        for byte in word.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return Int64(bitPattern: hash | 1 << 63)
      }
    }

    var description: String {
      switch self {
      case .number(let number): "\(number)"
      case .word(let word): word
      }
    }
  }

  struct Question: ListedRecord {
    var id: Int64
    let image: ImageName
    /// Empty if nobody needs it and it can't be read.
    let text: String
    let position: Int
  }

  struct Annotation: ListedRecord {
    /// The question's.
    var id: Int64
    let questionType: String?
    let answerType: String?
    /// The most frequent human answer, if the file states it.
    let mostFrequent: String?
    /// What each person answered.
    let answers: [String]
    let position: Int
  }

  struct Records<Record: ListedRecord> {
    var records: [Record] = []
    var problems = RecordProblems()

    fileprivate mutating func lose(_ kind: RecordProblem.Kind, at position: Int, id: Int64?, _ error: COCOError) {
      problems.add(RecordProblem(kind, at: position, id: id, error, cost: .record))
    }

    /// If two records are for one question, it is ambiguous which one is meant: none is used.
    fileprivate mutating func leaveOutRepeated(_ kind: RecordProblem.Kind, list: String) {
      let found = RepeatedIDs(records) { _, _ in false }
      var dropped: Set<Int> = []
      for places in found.ambiguous.values {
        dropped.formUnion(places)
        for (index, at) in places.enumerated() {
          let other = records[places[index == 0 ? 1 : 0]].position
          lose(
            kind, at: records[at].position, id: records[at].id,
            COCOError(
              jsonPath: "\(list)[\(records[at].position)].question_id",
              problem: "the question_id \(records[at].id) is taken: \(list)[\(other)] has it too"))
        }
      }
      if !dropped.isEmpty { records = records.indices.filter { !dropped.contains($0) }.map { records[$0] } }
      problems.sort()
    }
  }

  /// In the order of the file; no id occurs twice.
  ///
  /// - Parameter needsText: whether a question whose text can't be read is left out.
  /// - Throws: `COCOError` without the file's name, if the file can't be read as a question file.
  static func questions(_ json: [UInt8], needsText: Bool) throws -> Records<Question> {
    var found = Records<Question>()
    try list("questions", of: json) { reader, position in
      var (id, image, text): (Int64?, ImageName?, String?)
      var values = RecordValues()
      try reader.readObject { reader, key in
        switch key {
        case "question_id": id = try values.read(.questionID, &reader) { try $0.readID() }
        case "image_id": image = try values.read(.imageID, &reader, imageName)
        case "question": text = try values.read(.question, &reader) { try $0.readString() }
        default: try reader.skipValue()
        }
      }
      guard let id else {
        return found.lose(.question, at: position, id: nil, values.missing(.questionID, named: "question_id", reader))
      }
      guard let image else {
        return found.lose(.question, at: position, id: id, values.missing(.imageID, named: "image_id", reader))
      }
      guard text != nil || !needsText else {
        return found.lose(.question, at: position, id: id, values.missing(.question, named: "question", reader))
      }
      found.records.append(Question(id: id, image: image, text: text ?? "", position: position))
    } odd: {
      found.lose(.question, at: $0, id: nil, $1)
    }
    found.leaveOutRepeated(.question, list: "questions")
    return found
  }

  private static func imageName(_ reader: inout JSONReader) throws -> ImageName {
    guard reader.peek() == .string else { return .number(try reader.readInteger()) }
    let word = try reader.readString()
    if let number = JSONReader.integer(word) { return .number(number) }
    guard !word.isEmpty else { throw reader.fault("is empty") }
    return .word(word)
  }

  /// In the order of the file; no question has two.
  ///
  /// - Throws: `COCOError` without the file's name, if the file can't be read as an annotation file.
  static func annotations(_ json: [UInt8]) throws -> Records<Annotation> {
    var found = Records<Annotation>()
    try list("annotations", of: json) { reader, position in
      var (id, questionType, answerType, most, answers): (Int64?, String?, String?, String?, [String]?)
      var values = RecordValues()
      try reader.readObject { reader, key in
        switch key {
        case "question_id": id = try values.read(.questionID, &reader) { try $0.readID() }
        case "question_type": questionType = try values.read(.questionType, &reader) { try $0.readString() }
        case "answer_type": answerType = try values.read(.answerType, &reader) { try $0.readString() }
        case "multiple_choice_answer": most = try values.read(.mostFrequent, &reader) { try $0.readString() }
        case "answers": answers = try values.read(.answers, &reader, peoplesAnswers)
        default: try reader.skipValue()
        }
      }
      guard let id else {
        return found.lose(.annotation, at: position, id: nil, values.missing(.questionID, named: "question_id", reader))
      }
      guard most != nil || answers?.isEmpty == false else {
        let fault = values.faults.first { $0.key == .answers || $0.key == .mostFrequent }?.error
        return found.lose(
          .annotation, at: position, id: id,
          fault ?? reader.fault("has neither multiple_choice_answer nor answers"))
      }
      for (key, error) in values.faults where key == .answers {
        found.problems.add(RecordProblem(.annotation, at: position, id: id, error, cost: .value))
      }
      found.records.append(
        Annotation(
          id: id, questionType: questionType, answerType: answerType, mostFrequent: most, answers: answers ?? [],
          position: position))
    } odd: {
      found.lose(.annotation, at: $0, id: nil, $1)
    }
    found.leaveOutRepeated(.annotation, list: "annotations")
    return found
  }

  private static func peoplesAnswers(_ reader: inout JSONReader) throws -> [String] {
    var answers: [String] = []
    try reader.readArray { reader in
      var answer: String?
      try reader.readObject { reader, key in
        guard key.isSame(as: "answer") else {
          try reader.skipValue()
          return
        }
        guard answer == nil else { throw reader.fault("the key occurs twice") }
        answer = try reader.readString()
      }
      answers.append(try reader.required(answer, "answer"))
    }
    return answers
  }

  /// Reads one list of a JSON object, and skips everything else.
  ///
  /// - Parameters:
  ///   - element: reads an object of the list, at this place of it.
  ///   - odd: called for each value that is not an object.
  private static func list(
    _ name: StaticString, of json: [UInt8], _ element: (inout JSONReader, Int) throws -> Void,
    odd: (Int, COCOError) -> Void
  ) throws {
    var isThere = false
    try JSONReader.readFile(json) { reader in
      try reader.readObject { reader, key in
        guard key.isSame(as: name) else {
          try reader.skipValue()
          return
        }
        guard !isThere else { throw reader.fault("the key occurs twice") }
        isThere = true
        var position = 0
        try reader.readArray { reader in
          let kind = reader.peek()
          if kind == .object {
            try element(&reader, position)
          } else {
            odd(position, reader.fault("\(kind.words), where an object is expected"))
            try reader.skipValue()
          }
          position += 1
        }
      }
    }
    guard isThere else { throw COCOError(problem: "the key \"\(name)\" is missing: a VQA v2 file has it") }
  }
}

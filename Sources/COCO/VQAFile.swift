/// The records of VQA v2 question and annotation files (visualqa.org/vqa_v2_format.html).
enum VQAFile {
  struct Question {
    let id: Int64
    let imageID: Int64
    let text: String
  }

  struct Annotation {
    let questionID: Int64
    let questionType: String?
    let answerType: String?
    /// What most people answered, where the file says so.
    let mostFrequent: String?
    /// What each person answered.
    let answers: [String]
  }

  /// - Throws: `COCOError` without the file's name: also where a question_id occurs twice.
  static func questions(_ json: [UInt8]) throws -> [Question] {
    var questions: [Question] = []
    var seen: Set<Int64> = []
    try list("questions", of: json) { reader in
      var (id, imageID, text): (Int64?, Int64?, String?)
      try reader.readObject { reader, key in
        switch key {
        case "question_id": id = try reader.readInteger()
        case "image_id": imageID = try reader.readInteger()
        case "question": text = try reader.readString()
        default: try reader.skipValue()
        }
      }
      guard let id, let imageID, let text else {
        throw reader.failure("a question has question_id, image_id and question; one is missing")
      }
      guard seen.insert(id).inserted else { throw reader.failure("the question_id \(id) occurs twice") }
      questions.append(Question(id: id, imageID: imageID, text: text))
    }
    return questions
  }

  /// The annotations by question.
  ///
  /// - Throws: `COCOError` without the file's name: also where a question has two.
  static func annotations(_ json: [UInt8]) throws -> [Int64: Annotation] {
    var annotations: [Int64: Annotation] = [:]
    try list("annotations", of: json) { reader in
      var (id, questionType, answerType, most): (Int64?, String?, String?, String?)
      var answers: [String] = []
      try reader.readObject { reader, key in
        switch key {
        case "question_id": id = try reader.readInteger()
        case "question_type": questionType = try reader.readOptional { try $0.readString() }
        case "answer_type": answerType = try reader.readOptional { try $0.readString() }
        case "multiple_choice_answer": most = try reader.readString()
        case "answers":
          try reader.readArray { reader in
            try reader.readObject { reader, key in
              if key == "answer" { answers.append(try reader.readString()) } else { try reader.skipValue() }
            }
          }
        default: try reader.skipValue()
        }
      }
      guard let id, most != nil || !answers.isEmpty else {
        throw reader.failure("an annotation has question_id, and multiple_choice_answer or answers; one is missing")
      }
      let annotation = Annotation(
        questionID: id, questionType: questionType, answerType: answerType, mostFrequent: most, answers: answers)
      guard annotations.updateValue(annotation, forKey: id) == nil else {
        throw reader.failure("question \(id) has two annotations")
      }
    }
    return annotations
  }

  /// Reads one list of a JSON object, and passes over everything else.
  private static func list(
    _ name: String, of json: [UInt8], _ element: (inout JSONReader) throws -> Void
  ) throws {
    var reader = JSONReader(json)
    var isThere = false
    try reader.readObject { reader, key in
      guard key == name else {
        try reader.skipValue()
        return
      }
      guard !isThere else { throw reader.failure("the key occurs twice") }
      isThere = true
      try reader.readArray(element)
    }
    try reader.finish()
    guard isThere else { throw COCOError(problem: "the key \"\(name)\" is missing: a VQA v2 file has it") }
  }
}

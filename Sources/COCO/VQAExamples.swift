/// The examples of a VQA v2 question file, with the answers of its annotation file where there is one
/// (visualqa.org/vqa_v2_format.html).
struct VQAExamples {
  private(set) var examples: [ImageTextExample] = []

  private struct Question {
    let id: Int64
    let imageID: Int64
    let text: String
  }

  /// - Throws: `COCOError` naming file and place.
  init(questions: [UInt8], name: String, annotations: (json: [UInt8], name: String)?, images: [String]) throws {
    let asked: [Question]
    do { asked = try Self.questions(questions) } catch let error as COCOError { throw error.inFile(name) }
    var answers: [Int64: String]?
    if let annotations {
      do { answers = try Self.answers(annotations.json) } catch let error as COCOError {
        throw error.inFile(annotations.name)
      }
    }
    let files = ImageFiles(images)
    var seen: Set<Int64> = []
    for (at, question) in asked.enumerated() {
      func wrong(_ problem: String) -> COCOError {
        COCOError(file: name, jsonPath: "questions[\(at)]", problem: problem)
      }
      guard seen.insert(question.id).inserted else { throw wrong("the question_id \(question.id) occurs twice") }
      if let answers, answers[question.id] == nil {
        throw wrong("question \(question.id) has no annotation in \(annotations?.name ?? "")")
      }
      let names = files.names(of: question.imageID)
      guard names.count == 1, let file = names.first else {
        throw wrong(
          names.isEmpty
            ? "image \(question.imageID) is not in the images folder: no file's name ends in that number"
            : "image \(question.imageID) may be any of \(names.prefix(3).joined(separator: ", ")): leave one in the folder"
        )
      }
      examples.append(
        ImageTextExample(
          id: question.id, imageID: question.imageID, fileName: file, size: nil, prompt: question.text,
          target: answers?[question.id]))
    }
    examples.sort { $0.id < $1.id }
  }

  private static func questions(_ json: [UInt8]) throws -> [Question] {
    var questions: [Question] = []
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
      questions.append(Question(id: id, imageID: imageID, text: text))
    }
    return questions
  }

  /// The answer that most people gave, by question.
  private static func answers(_ json: [UInt8]) throws -> [Int64: String] {
    var answers: [Int64: String] = [:]
    try list("annotations", of: json) { reader in
      var (id, most, all): (Int64?, String?, [String]) = (nil, nil, [])
      try reader.readObject { reader, key in
        switch key {
        case "question_id": id = try reader.readInteger()
        case "multiple_choice_answer": most = try reader.readString()
        case "answers":
          try reader.readArray { reader in
            try reader.readObject { reader, key in
              if key == "answer" { all.append(try reader.readString()) } else { try reader.skipValue() }
            }
          }
        default: try reader.skipValue()
        }
      }
      guard let id, let answer = most ?? ImageTextDataset.majority(all) else {
        throw reader.failure("an annotation has question_id, and multiple_choice_answer or answers; one is missing")
      }
      guard answers.updateValue(answer, forKey: id) == nil else {
        throw reader.failure("question \(id) has two annotations")
      }
    }
    return answers
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

/// The pictures of a folder by the number that their names end in: `COCO_val2014_000000000139.jpg`, `139.png`.
struct ImageFiles {
  private var byNumber: [Int64: [String]] = [:]

  init(_ names: [String]) {
    for name in names.sorted() {
      let parts = name.split(separator: ".")
      guard parts.count == 2, ["jpg", "jpeg", "png"].contains(parts[1].lowercased()) else { continue }
      let digits = parts[0].reversed().prefix { $0.isASCII && $0.isNumber }.reversed()
      if let number = Int64(String(digits)) { byNumber[number, default: []].append(name) }
    }
  }

  func names(of imageID: Int64) -> [String] { byNumber[imageID] ?? [] }
}

/// The examples of a VQA v2 question file, with the answers of its annotation file where there is one
/// (visualqa.org/vqa_v2_format.html).
struct VQAExamples {
  private(set) var examples: [ImageTextExample] = []

  /// - Throws: `COCOError` naming file and place.
  init(questions: [UInt8], name: String, annotations: (json: [UInt8], name: String)?, images: [String]) throws {
    let asked = try COCOError.inFile(name) { try VQAFile.questions(questions) }
    let answers = try annotations.map { annotations in
      try COCOError.inFile(annotations.name) { try VQAFile.annotations(annotations.json) }
    }
    let files = ImageFiles(images)
    for (at, question) in asked.enumerated() {
      func wrong(_ problem: String) -> COCOError {
        COCOError(file: name, jsonPath: "questions[\(at)]", problem: problem)
      }
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
          target: answers?[question.id].flatMap { $0.mostFrequent ?? ImageTextDataset.majority($0.answers) }))
    }
    examples.sort { $0.id < $1.id }
  }
}

/// The pictures of a folder by the number that their names end in: `COCO_val2014_000000000139.jpg`, `139.png`.
struct ImageFiles {
  /// The names' endings of the formats that are read.
  static let extensions: Set = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "tif", "tiff", "gif", "bmp",
  ]

  private var byNumber: [Int64: [String]] = [:]

  init(_ names: [String]) {
    for name in names.sorted() {
      let parts = name.split(separator: ".")
      guard parts.count == 2, Self.extensions.contains(parts[1].lowercased()) else { continue }
      let digits = parts[0].reversed().prefix { $0.isASCII && $0.isNumber }.reversed()
      if let number = Int64(String(digits)) { byNumber[number, default: []].append(name) }
    }
  }

  func names(of imageID: Int64) -> [String] { byNumber[imageID] ?? [] }
}

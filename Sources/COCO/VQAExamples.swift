/// The examples of a VQA v2 question file, with the answers of its annotation file where there is one
/// (visualqa.org/vqa_v2_format.html).
struct VQAExamples {
  private(set) var examples: [ImageTextExample] = []
  private(set) var problems = RecordProblems()
  /// Questions without an annotation, if there is an annotation file.
  private(set) var unannotated = 0

  /// Where there are annotations, the examples are the questions that have one, as VQA's own program takes them.
  ///
  /// - Throws: `COCOError` naming file and place: a file that can't be read as what it should be; a folder of images
  ///   in which not one question's picture is.
  init(questions: [UInt8], name: String, annotations: (json: [UInt8], name: String)?, images: [String]) throws {
    let asked = try COCOError.inFile(name) { try VQAFile.questions(questions, needsText: true) }
    problems = asked.problems
    var answers: [Int64: VQAFile.Annotation]?
    if let annotations {
      let found = try COCOError.inFile(annotations.name) { try VQAFile.annotations(annotations.json) }
      problems.add(found.problems)
      answers = Dictionary(found.records.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }
    let files = ImageFiles(images)
    let lost = Set(problems.lost.compactMap(\.id))
    var words: [Int64: VQAFile.ImageName] = [:]
    var found = 0
    for question in asked.records {
      guard answers == nil || answers?[question.id] != nil else {
        if !lost.contains(question.id) { unannotated += 1 }
        continue
      }
      let names = files.names(of: question.image)
      let isSame = words.updateValue(question.image, forKey: question.image.id).map { $0 == question.image } ?? true
      if !names.isEmpty { found += 1 }
      guard isSame, names.count == 1, let file = names.first else {
        let problem =
          names.isEmpty
          ? "image \(question.image.description) is not in the images folder: no file's name ends in that number"
          : !isSame
            ? "the id generated for image \(question.image.description) is already in use"
            : "image \(question.image.description) may be any of \(names.prefix(3).joined(separator: ", ")): leave one "
              + "in the folder"
        problems.add(
          RecordProblem(
            .question, at: question.position, id: question.id,
            COCOError(jsonPath: "questions[\(question.position)].image_id", problem: problem), cost: .record))
        continue
      }
      examples.append(
        ImageTextExample(
          id: question.id, imageID: question.image.id, fileName: file, size: nil, prompt: question.text,
          target: answers?[question.id].flatMap { $0.mostFrequent ?? ImageTextDataset.majority($0.answers) }))
    }
    problems.sort()
    if let annotations, let answers, !asked.records.contains(where: { answers[$0.id] != nil }) {
      throw COCOError(
        file: annotations.name,
        problem: "has no annotation of any question of \(name)"
          + problems.lost.prefix(5).map { "\n  \($0)" }.joined())
    }
    try refuseNothing(asked.records, found: found, name, images)
    examples.sort { $0.id < $1.id }
  }

  /// If no image is found at all, the folder is probably wrong.
  private func refuseNothing(
    _ asked: [VQAFile.Question], found: Int, _ name: String, _ images: [String]
  ) throws {
    guard !asked.isEmpty, found == 0 else { return }
    let sample = images.sorted().prefix(3).joined(separator: ", ")
    throw COCOError(
      file: name, jsonPath: "questions[\(asked[0].position)].image_id",
      problem: "image \(asked[0].image.description) is not in the images folder, nor is any other of the "
        + "\(asked.count) questions' images; the folder has \(sample.isEmpty ? "no files" : sample + ", …")")
  }
}

/// The pictures of a folder by the number that their names end in (`COCO_val2014_000000000139.jpg`, `139.png`), and
/// by their names without the ending (`0054c91397f2fe05.jpg`).
struct ImageFiles {
  /// The endings of the formats that are read.
  private static let endings: Set = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "tif", "tiff", "gif", "bmp"]
  private var byNumber: [Int64: [String]] = [:]
  private var byStem: [String: [String]] = [:]

  init(_ names: [String]) {
    for name in names.sorted() where !name.hasPrefix(".") {
      guard let dot = name.lastIndex(of: "."), Self.endings.contains(name[name.index(after: dot)...].lowercased())
      else { continue }
      let stem = name[..<dot]
      let digits = stem.reversed().prefix { $0.isASCII && $0.isNumber }.reversed()
      if let number = Int64(String(digits)) { byNumber[number, default: []].append(name) }
      byStem[String(stem), default: []].append(name)
    }
  }

  func names(of image: VQAFile.ImageName) -> [String] {
    switch image {
    case .number(let number): byNumber[number] ?? []
    case .word(let word): byStem[word] ?? []
    }
  }
}

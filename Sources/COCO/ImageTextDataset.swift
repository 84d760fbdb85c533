import IO
import JSON

/// An image, what is asked about it, and what should be answered.
public struct ImageTextExample: Sendable, Equatable {
  /// The annotation's or question's id.
  public let id: Int64
  public let imageID: Int64
  /// Below the folder of images.
  public let fileName: String
  /// The image's size stated by the file, in pixels; nil if it states none.
  public let size: ImageSize?
  /// The question; nil if every image is asked the same.
  public let prompt: String?
  /// Nil if the file has no answer.
  public let target: String?

  public init(id: Int64, imageID: Int64, fileName: String, size: ImageSize?, prompt: String?, target: String?) {
    self.id = id
    self.imageID = imageID
    self.fileName = fileName
    self.size = size
    self.prompt = prompt
    self.target = target
  }
}

/// Examples to train on, or to generate for: key objects, COCO captions, or questions.
public struct ImageTextDataset: Sendable {
  public enum Kind: Sendable, Equatable {
    /// Every image is described.
    case captions
    /// Every example has a question of its own.
    case questions
    /// Every object is described alone.
    case objects
  }

  public let kind: Kind
  /// Ascending by id.
  public let examples: [ImageTextExample]
  /// What is wrong with the file's records: those that can't be used are left out.
  public let problems: RecordProblems
  /// Questions of a VQA v2 file without an annotation; they are not examples.
  public let unannotated: Int
  /// What conversations tell the model before the user's turn; nil if they have no such turn.
  public private(set) var system: String?

  /// A key-object dataset (with descriptions, or with questions and answers), a COCO captions file, a VQA v2
  /// question file, or a file of conversations.
  ///
  /// - Parameters:
  ///   - json: the file's bytes, and `name` what errors call it.
  ///   - annotations: the answers of a VQA v2 question file.
  ///   - images: lists the files in the folder of images; asked for a question file, which doesn't name them.
  /// - Throws: `COCOError` naming file and place, if the file can't be read as one of these.
  public init(
    json: [UInt8], name: String, annotations: (json: [UInt8], name: String)? = nil, images: () throws -> [String]
  ) throws {
    if annotations == nil, ConversationFile.recognises(json) {
      let conversations = try COCOError.inFile(name) { try ConversationFile(json) }
      (kind, examples, problems) = (.questions, conversations.examples, conversations.problems)
      (unannotated, system) = (0, conversations.system)
      return
    }
    do {
      if try Self.keys(of: json).contains("questions") {
        let questions = try VQAExamples(questions: json, name: name, annotations: annotations, images: images())
        kind = .questions
        (examples, problems, unannotated) = (questions.examples, questions.problems, questions.unannotated)
        return
      }
    } catch let error as COCOError where error.file == nil {
      throw error.inFile(name)
    }
    if let annotations {
      throw COCOError(
        file: annotations.name, problem: "annotations go with a VQA v2 question file, and \(name) has no \"questions\"")
    }
    let dataset = try KeyObjectDataset(json: json, name: name)
    var problems = dataset.problems
    // The majority of the annotations decides which of the two a file is; the others are malformed.
    let asked = dataset.annotations.count { $0.question != nil }
    let isAsked = asked > 0 && 2 * asked >= dataset.annotations.count
    kind = isAsked ? .questions : .captions
    unannotated = 0
    examples = dataset.annotationsByID().compactMap { annotation in
      guard let image = dataset.image(annotation.imageID) else { return nil }
      let text = isAsked ? annotation.question : annotation.description ?? annotation.caption
      if text == nil, isAsked || annotation.question != nil {
        problems.add(
          RecordProblem(
            .annotation, at: annotation.position, id: annotation.id,
            dataset.fault(of: annotation, isAsked ? .question : .description)
              ?? COCOError(
                jsonPath: "annotations[\(annotation.position)]",
                problem: isAsked
                  ? "has no \"question\", which most of the file's records have"
                  : "is a question, and most of the file's records are not"), cost: .record))
        return nil
      }
      return ImageTextExample(
        id: annotation.id, imageID: image.id, fileName: image.fileName, size: image.size,
        prompt: isAsked ? annotation.question : nil,
        target: isAsked ? annotation.answers.flatMap(Self.majority) : text)
    }
    problems.sort()
    self.problems = problems
  }

  /// What is left out, a line each, for people.
  public var warnings: [String] {
    problems.warnings()
      + (unannotated > 0
        ? [
          "\(counted(unannotated, "question")) \(agreeing(with: unannotated, "has no annotation and is", "have no annotation and are")) left out, as in VQA's own program"
        ] : [])
  }

  /// The same examples, each about its own object.
  ///
  /// - Throws: `COCOError` if they are questions.
  public func ofObjects(named name: String) throws -> ImageTextDataset {
    guard kind != .questions else { throw COCOError(file: name, problem: "holds questions, not objects to describe") }
    return ImageTextDataset(kind: .objects, examples: examples, problems: problems, unannotated: unannotated)
  }

  /// The same with the first examples alone.
  ///
  /// - Parameter count: nil for all.
  public func first(_ count: Int?) -> ImageTextDataset {
    guard let count else { return self }
    var first = ImageTextDataset(
      kind: kind, examples: Array(examples.prefix(count)), problems: problems, unannotated: unannotated)
    first.system = system
    return first
  }

  init(kind: Kind, examples: [ImageTextExample], problems: RecordProblems, unannotated: Int) {
    self.kind = kind
    self.examples = examples
    self.problems = problems
    self.unannotated = unannotated
  }

  /// The most frequent answer; the first among equals.
  static func majority(_ answers: [String]) -> String? {
    let counts = Dictionary(answers.map { ($0, 1) }, uniquingKeysWith: +)
    let most = counts.values.max()
    return answers.first { counts[$0] == most }
  }

  static func keys(of json: [UInt8]) throws -> Set<String> {
    var keys: Set<String> = []
    try JSONReader.readFile(json) { reader in
      try reader.readObject { reader, key in
        keys.insert(key.text)
        try reader.skipValue()
      }
    }
    return keys
  }
}

import Foundation

/// An image, what is asked about it, and what should be answered.
public struct ImageTextExample: Sendable, Equatable {
  /// The annotation's or question's id.
  public let id: Int64
  public let imageID: Int64
  /// Below the folder of images.
  public let fileName: String
  /// What the file says of the image's size, in pixels; nil where it says nothing.
  public let size: ImageSize?
  /// The question; nil where every image is asked the same.
  public let prompt: String?
  /// Nil where the file has no answer.
  public let target: String?

  public struct ImageSize: Sendable, Equatable {
    public let width: Int
    public let height: Int

    public init(width: Int, height: Int) {
      self.width = width
      self.height = height
    }
  }

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
    /// Every object is described by itself.
    case objects
  }

  public let kind: Kind
  /// Ascending by id.
  public let examples: [ImageTextExample]

  /// A key-object dataset (with descriptions, or with questions and answers), a COCO captions file, or a VQA v2 question
  /// file.
  ///
  /// - Parameters:
  ///   - json: the file's bytes, and `name` what errors call it.
  ///   - annotations: the answers of a VQA v2 question file.
  ///   - images: lists the files in the folder of images; asked for a question file, which doesn't name them.
  /// - Throws: `COCOError` naming file and place.
  public init(
    json: [UInt8], name: String, annotations: (json: [UInt8], name: String)? = nil, images: () throws -> [String]
  ) throws {
    do {
      if try Self.keys(of: json).contains("questions") {
        kind = .questions
        examples = try VQAExamples(questions: json, name: name, annotations: annotations, images: images()).examples
        return
      }
    } catch let error as COCOError where error.file == nil {
      throw error.inFile(name)
    }
    if let annotations {
      throw COCOError(
        file: annotations.name, problem: "annotations go with a VQA v2 question file, and \(name) has no \"questions\"")
    }
    let dataset = try KeyObjectDataset(json: Data(json), name: name)
    let asked = dataset.annotations.count { $0.question != nil }
    guard asked == 0 || asked == dataset.annotations.count else {
      let at = dataset.annotations.firstIndex { $0.question == nil } ?? 0
      throw COCOError(
        file: name, jsonPath: "annotations[\(at)]", problem: "has no \"question\", which others of the file have")
    }
    kind = asked > 0 ? .questions : .captions
    examples = dataset.annotationsByID().compactMap { annotation in
      dataset.image(annotation.imageID).map { image in
        ImageTextExample(
          id: annotation.id, imageID: image.id, fileName: image.fileName,
          size: ImageTextExample.ImageSize(width: image.width, height: image.height), prompt: annotation.question,
          target: annotation.question != nil
            ? annotation.answers.flatMap(Self.majority) : annotation.description ?? annotation.caption)
      }
    }
  }

  /// The same examples, each about its own object.
  ///
  /// - Throws: `COCOError` where they are questions.
  public func ofObjects(named name: String) throws -> ImageTextDataset {
    guard kind != .questions else { throw COCOError(file: name, problem: "holds questions, not objects to describe") }
    return ImageTextDataset(kind: .objects, examples: examples)
  }

  private init(kind: Kind, examples: [ImageTextExample]) {
    self.kind = kind
    self.examples = examples
  }

  /// The most frequent answer; the first among equals.
  static func majority(_ answers: [String]) -> String? {
    let counts = Dictionary(answers.map { ($0, 1) }, uniquingKeysWith: +)
    let most = counts.values.max()
    return answers.first { counts[$0] == most }
  }

  static func keys(of json: [UInt8]) throws -> Set<String> {
    var reader = JSONReader(json)
    var keys: Set<String> = []
    try reader.readObject { reader, key in
      keys.insert(key)
      try reader.skipValue()
    }
    return keys
  }
}

import COCO
import JSON

/// The expressions of a COCO file that its annotations' `description` doesn't hold.
struct ExpressionTexts {
  struct Sentence {
    /// `sent_id`, if it has one.
    let id: Int64?
    let text: String
  }

  /// Of each annotation that has some.
  private(set) var sentences: [Int64: [Sentence]] = [:]
  /// Of each image that has one.
  private(set) var captions: [Int64: String] = [:]

  init() {}

  /// - Throws: `COCOError` naming the file and the place in it.
  init(_ json: [UInt8], name: String) throws {
    do {
      try JSONReader.read(json, rules: JSONReader.Rules(maximumDepth: 64, isLenient: true)) { reader in
        try reader.readObject { reader, key in
          switch key {
          case "annotations": try reader.readArray { try readAnnotation(&$0) }
          case "images": try reader.readArray { try readImage(&$0) }
          default: try reader.skipValue()
          }
        }
      }
    } catch let error as JSONError {
      throw COCOError(file: name, jsonPath: error.path, problem: error.sentence)
    }
  }

  private mutating func readAnnotation(_ reader: inout JSONReader) throws {
    var (id, found): (Int64?, [Sentence]) = (nil, [])
    guard reader.peek() == .object else {
      try reader.skipValue()
      return
    }
    try reader.readObject { reader, key in
      switch key {
      case "id": id = try reader.readValue().wholeID
      case "sentences": found = try Self.sentences(&reader)
      default: try reader.skipValue()
      }
    }
    if let id, !found.isEmpty { sentences[id] = found }
  }

  private static func sentences(_ reader: inout JSONReader) throws -> [Sentence] {
    guard let list = try reader.readValue().elements else { throw reader.failure("a list of sentences is expected") }
    return try list.map { value in
      if let text = value.string { return Sentence(id: nil, text: text) }
      guard let text = value["sent"]?.string ?? value["raw"]?.string else {
        throw reader.failure("a sentence is expected, not \(value): a string, or an object with sent or raw")
      }
      return Sentence(id: value["sent_id"]?.wholeID, text: text)
    }
  }

  private mutating func readImage(_ reader: inout JSONReader) throws {
    var (id, caption): (Int64?, String?)
    guard reader.peek() == .object else {
      try reader.skipValue()
      return
    }
    try reader.readObject { reader, key in
      switch key {
      case "id": id = try reader.readValue().wholeID
      case "caption": caption = try reader.readValue().string
      default: try reader.skipValue()
      }
    }
    if let id, let caption { captions[id] = caption }
  }

  /// An example for each sentence, ascending by id: `sent_id`, if every sentence has one and no two the same; else they are
  /// numbered from 1, in the order of the annotations' ids.
  func examples(of annotations: [Annotation]) -> [GroundingExample] {
    let own = sentences.values.flatMap { $0.map(\.id) }
    let hasIDs = !own.contains(nil) && Set(own).count == own.count
    var examples: [GroundingExample] = []
    for annotation in annotations {
      for sentence in sentences[annotation.id] ?? [] {
        let number = Int64(examples.count + 1)
        examples.append(
          GroundingExample(
            id: hasIDs ? sentence.id ?? number : number, annotationID: annotation.id, expression: sentence.text,
            box: annotation.boundingBox))
      }
    }
    return examples.sorted { $0.id < $1.id }
  }
}

extension JSONValue {
  /// A whole number, or a string of one: ids are written as either.
  fileprivate var wholeID: Int64? { integer.map { Int64($0) } ?? string.flatMap { Int64($0) } }
}

import Foundation
import IO
import JSON

/// Generated texts, as `generate` writes them: captions in COCO's results format, answers in VQA's.
///
/// One malformed record refuses the file, as in coco-caption and VQA's own program: leaving out a result that a model
/// gave would score another model.
public struct GeneratedTexts: Sendable, Equatable {
  /// One caption of an image, one answer to a question, or one description of an object.
  public struct Entry: Sendable, Equatable {
    /// The id of the image, of the question, or of the object's annotation.
    public let id: Int64
    public let text: String

    public init(id: Int64, text: String) {
      self.id = id
      self.text = text
    }
  }

  /// The file as the user named it.
  public let name: String
  public let kind: ImageTextDataset.Kind
  /// In the order of the file; no id occurs twice.
  public let entries: [Entry]

  /// - Throws: `COCOError` naming file and place; what `InputFile.read` throws.
  public init(contentsOf url: URL, kind: ImageTextDataset.Kind) throws {
    try self.init(json: try InputFile.read(url), name: url.path, kind: kind)
  }

  /// - Throws: `COCOError` naming file and place.
  public init(json: [UInt8], name: String, kind: ImageTextDataset.Kind) throws {
    self.name = name
    self.kind = kind
    entries = try COCOError.inFile(name) { try Self.entries(json, kind) }
  }

  private static func entries(_ json: [UInt8], _ kind: ImageTextDataset.Kind) throws -> [Entry] {
    try JSONReader.readFile(json) { try entries(&$0, kind) }
  }

  private static func entries(_ reader: inout JSONReader, _ kind: ImageTextDataset.Kind) throws -> [Entry] {
    let found = reader.peek()
    guard found == .array else {
      throw reader.fault(
        "\(found.words), where a list of results is expected, each with \(kind.idKey) and \(kind.textKey)")
    }
    var entries: [Entry] = []
    var seen: Set<Int64> = []
    try reader.readArray { reader in
      var (id, text): (Int64?, String?)
      try reader.readObject { reader, key in
        switch key.text {
        case kind.idKey:
          guard id == nil else { throw reader.fault("the key occurs twice") }
          id = try reader.readID()
        case kind.textKey:
          guard text == nil else { throw reader.fault("the key occurs twice") }
          text = try reader.readString()
        default: try reader.skipValue()
        }
      }
      let entry = Entry(id: try reader.required(id, kind.idKey), text: try reader.required(text, kind.textKey))
      guard seen.insert(entry.id).inserted else {
        throw reader.fault("\(kind.idKey) \(entry.id) already has a result: each may have only one")
      }
      entries.append(entry)
    }
    return entries
  }
}

extension ImageTextDataset.Kind {
  /// The key of the id in a results file.
  public var idKey: String {
    switch self {
    case .captions: "image_id"
    case .questions: "question_id"
    case .objects: "annotation_id"
    }
  }

  /// The key of the text in a results file.
  public var textKey: String {
    switch self {
    case .captions: "caption"
    case .questions: "answer"
    case .objects: "description"
    }
  }
}

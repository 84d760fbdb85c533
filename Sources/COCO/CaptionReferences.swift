import Foundation
import IO

/// The human texts of each image: the captions of a COCO captions file, or the descriptions of a key-object dataset,
/// of which an image may have several; or the answer of each conversation.
public struct CaptionReferences: Sendable, Equatable {
  public struct Image: Sendable, Equatable {
    /// The image's, or the conversation's.
    public let id: Int64
    /// In the order of the file; at least one.
    public let texts: [String]

    public init(id: Int64, texts: [String]) {
      self.id = id
      self.texts = texts
    }
  }

  /// The file as the user named it.
  public let name: String
  /// What the texts are compared with: captions of images, or answers to conversations' questions.
  public let kind: ImageTextDataset.Kind
  /// Those that have a text, in the order of the file.
  public let images: [Image]
  /// The ids of the images without a text.
  public let silent: [Int64]
  /// The ids of the images without a readable text.
  public let unreadable: [Int64]
  /// What is wrong with the file's records: those that can't be used are left out.
  public let problems: RecordProblems

  public init(name: String, images: [Image], kind: ImageTextDataset.Kind = .captions) {
    self.name = name
    self.kind = kind
    self.images = images
    (silent, unreadable) = ([], [])
    problems = RecordProblems()
  }

  /// - Throws: `COCOError` naming file and place, if the file can't be used; what `InputFile.read` throws.
  public init(contentsOf url: URL) throws {
    try self.init(json: try InputFile.read(url), name: url.path)
  }

  /// - Throws: `COCOError` naming file and place, if the file can't be used, or no image has a text.
  public init(json: [UInt8], name: String) throws {
    self.name = name
    if ConversationFile.recognises(json) {
      let file = try COCOError.inFile(name) { try ConversationFile(json) }
      kind = .questions
      images = file.examples.compactMap { example in example.target.map { Image(id: example.id, texts: [$0]) } }
      silent = file.examples.filter { $0.target == nil }.map(\.id)
      unreadable = file.problems.lost.compactMap(\.id)
      problems = file.problems
      guard !images.isEmpty else {
        throw COCOError(
          file: name,
          problem: "no conversation has an answer" + problems.lost.prefix(5).map { "\n  \($0)" }.joined())
      }
      return
    }
    kind = .captions
    var file = try COCOError.inFile(name) { try AnnotationTexts(json, needsIDs: false) }
    var texts: [Int64: [String]] = [:]
    var odd: Set<Int64> = []
    for record in file.records {
      guard let text = record.description ?? record.caption else {
        file.lose(record, Self.noText(record))
        odd.insert(record.imageID)
        continue
      }
      texts[record.imageID, default: []].append(text)
    }
    images = file.imageIDs.compactMap { id in texts[id].map { Image(id: id, texts: $0) } }
    silent = file.imageIDs.filter { texts[$0] == nil && !odd.contains($0) }
    unreadable = file.imageIDs.filter { texts[$0] == nil && odd.contains($0) }
    problems = file.problems
    guard !images.isEmpty else {
      throw COCOError(
        file: name, jsonPath: "images",
        problem: "no image has a caption or description" + problems.lost.prefix(5).map { "\n  \($0)" }.joined())
    }
  }

  private static func noText(_ record: AnnotationTexts.Record) -> String {
    record.question == nil
      ? "has neither \"caption\" nor \"description\": captions are compared with a COCO captions "
        + "file or a key-object dataset"
      : "is a question, where a \"caption\" or a \"description\" is expected"
  }
}

extension CaptionReferences {
  public static func == (a: CaptionReferences, b: CaptionReferences) -> Bool {
    a.name == b.name && a.images == b.images && a.silent == b.silent
  }
}

import Foundation

/// What people said of each image: the captions of a COCO captions file, or the descriptions of a key-object dataset, of
/// which an image may have several.
public struct CaptionReferences: Sendable, Equatable {
  public struct Image: Sendable, Equatable {
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
  /// In the order of the file.
  public let images: [Image]

  public init(name: String, images: [Image]) {
    self.name = name
    self.images = images
  }

  /// - Throws: `COCOError` naming file and place.
  public init(contentsOf url: URL) throws {
    try self.init(json: [UInt8](Data(readingCOCO: url)), name: url.path)
  }

  /// - Throws: `COCOError` naming file and place: also where an annotation has no text, or an image no annotation.
  public init(json: [UInt8], name: String) throws {
    self.name = name
    images = try COCOError.inFile(name) {
      let file = try AnnotationTexts(json)
      var texts: [Int64: [String]] = [:]
      for (at, record) in file.records.enumerated() {
        guard let text = record.description ?? record.caption else {
          throw COCOError(jsonPath: "annotations[\(at)]", problem: Self.noText(record))
        }
        texts[record.imageID, default: []].append(text)
      }
      let images = try file.imageIDs.enumerated().map { at, id in
        guard let texts = texts[id] else {
          throw COCOError(
            jsonPath: "images[\(at)]", problem: "image \(id) has no annotation, so no text to compare with")
        }
        return Image(id: id, texts: texts)
      }
      guard !images.isEmpty else { throw COCOError(jsonPath: "images", problem: "there is no image") }
      return images
    }
  }

  private static func noText(_ record: AnnotationTexts.Record) -> String {
    record.question == nil
      ? "annotation \(record.id) has neither \"caption\" nor \"description\": captions are compared with a COCO captions "
        + "file or a key-object dataset"
      : "annotation \(record.id) is a question, where a \"caption\" or a \"description\" is expected"
  }
}

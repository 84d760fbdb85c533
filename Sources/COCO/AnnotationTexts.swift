/// The texts of a COCO-schema file's annotations and the ids of its images, without masks and sizes.
///
/// A captions file may list images by their id alone, which is all that comparing texts needs.
struct AnnotationTexts {
  struct Record {
    let id: Int64
    let imageID: Int64
    let description: String?
    let caption: String?
    let question: String?
    let answers: [String]?
  }

  /// In the order of the file.
  private(set) var imageIDs: [Int64] = []
  private(set) var records: [Record] = []

  /// - Throws: `COCOError` without the file's name: JSON, types, ids that occur twice, annotations of unknown images.
  init(_ json: [UInt8]) throws {
    var reader = JSONReader(json)
    var seen: Set<String> = []
    try reader.readObject { reader, key in
      guard key == "images" || key == "annotations" else {
        try reader.skipValue()
        return
      }
      guard seen.insert(key).inserted else { throw reader.failure("the key occurs twice") }
      try reader.readArray { reader in
        if key == "images" {
          imageIDs.append(try Self.imageID(&reader))
        } else {
          records.append(try Self.record(&reader))
        }
      }
    }
    try reader.finish()
    for key in ["images", "annotations"] where !seen.contains(key) {
      throw COCOError(problem: "the key \"\(key)\" is missing: a COCO file has images and annotations")
    }
    let images = try uniqueIndex(imageIDs, of: "images")
    _ = try uniqueIndex(records.map(\.id), of: "annotations")
    for (at, record) in records.enumerated() where images[record.imageID] == nil {
      throw COCOError(
        jsonPath: "annotations[\(at)].image_id",
        problem: "there is no image with the id \(record.imageID) in the file")
    }
  }

  private static func imageID(_ reader: inout JSONReader) throws -> Int64 {
    var id: Int64?
    try reader.readObject { reader, key in
      if key == "id" { id = try reader.readInteger() } else { try reader.skipValue() }
    }
    return try reader.required(id, "id")
  }

  private static func record(_ reader: inout JSONReader) throws -> Record {
    var (id, imageID): (Int64?, Int64?)
    var (description, caption, question, answers): (String?, String?, String?, [String]?)
    try reader.readObject { reader, key in
      switch key {
      case "id": id = try reader.readInteger()
      case "image_id": imageID = try reader.readInteger()
      case "description": description = try reader.readOptional { try $0.readString() }
      case "caption": caption = try reader.readOptional { try $0.readString() }
      case "question": question = try reader.readOptional { try $0.readString() }
      case "answers": answers = try reader.readOptional(DatasetContents.answers)
      default: try reader.skipValue()
      }
    }
    return Record(
      id: try reader.required(id, "id"), imageID: try reader.required(imageID, "image_id"), description: description,
      caption: caption, question: question, answers: answers)
  }
}

/// The three lists of a COCO file as they are read from its JSON.
struct DatasetContents {
  private(set) var images: [ImageRecord] = []
  private(set) var categories: [Category] = []
  private(set) var annotations: [Annotation] = []
  /// Where the licences of the images are.
  private(set) var licenses: Range<Int>?

  /// - Throws: `COCOError` without the file's name.
  init(_ bytes: [UInt8]) throws {
    var reader = JSONReader(bytes)
    var seen: Set<String> = []
    try reader.readObject { reader, key in
      guard ["images", "categories", "annotations"].contains(key) else {
        let value = try reader.skipValue()
        if key == "licenses" { licenses = value }
        return
      }
      guard seen.insert(key).inserted else { throw reader.failure("the key occurs twice") }
      try reader.readArray { reader in
        switch key {
        case "images": images.append(try Self.image(&reader))
        case "categories": categories.append(try Self.category(&reader))
        default: annotations.append(try Self.annotation(&reader, at: annotations.count))
        }
      }
    }
    try reader.finish()
    for key in ["images", "annotations"] where !seen.contains(key) {
      throw COCOError(problem: "the key \"\(key)\" is missing: a COCO file has images and annotations")
    }
  }

  private static func image(_ reader: inout JSONReader) throws -> ImageRecord {
    var (id, fileName, width, height): (Int64?, String?, Int64?, Int64?)
    _ = try reader.peek()
    let start = reader.position
    try reader.readObject { reader, key in
      switch key {
      case "id": id = try reader.readInteger()
      case "file_name": fileName = try reader.readString()
      case "width": width = try reader.readInteger()
      case "height": height = try reader.readInteger()
      default: try reader.skipValue()
      }
    }
    let record = ImageRecord(
      id: try reader.required(id, "id"), fileName: try reader.required(fileName, "file_name"),
      width: Int(try reader.required(width, "width")), height: Int(try reader.required(height, "height")),
      json: start..<reader.position)
    guard !record.fileName.isEmpty else { throw reader.failure("\"file_name\" is empty") }
    do {
      try BinaryMask.checkSize(height: record.height, width: record.width)
    } catch let error as COCOError {
      throw reader.failure(error.problem)
    }
    return record
  }

  private static func category(_ reader: inout JSONReader) throws -> Category {
    var (id, name, supercategory): (Int64?, String?, String?)
    try reader.readObject { reader, key in
      switch key {
      case "id": id = try reader.readInteger()
      case "name": name = try reader.readString()
      case "supercategory": supercategory = try reader.readOptional { try $0.readString() }
      default: try reader.skipValue()
      }
    }
    return Category(
      id: try reader.required(id, "id"), name: try reader.required(name, "name"), supercategory: supercategory)
  }

  private static func annotation(_ reader: inout JSONReader, at position: Int) throws -> Annotation {
    var (id, imageID, categoryID): (Int64?, Int64?, Int64?)
    var (isCrowd, area): (Bool?, Double?)
    var (description, caption, question, answers): (String?, String?, String?, [String]?)
    var segmentation: Range<Int>?
    var box: BoundingBox?
    try reader.readObject { reader, key in
      switch key {
      case "id": id = try reader.readInteger()
      case "image_id": imageID = try reader.readInteger()
      case "category_id": categoryID = try reader.readOptional { try $0.readInteger() }
      case "iscrowd": isCrowd = try reader.readOptional { try $0.readFlag() }
      case "area": area = try reader.readOptional { try $0.readDouble() }
      case "description": description = try reader.readOptional { try $0.readString() }
      case "caption": caption = try reader.readOptional { try $0.readString() }
      case "question": question = try reader.readOptional { try $0.readString() }
      case "answers": answers = try reader.readOptional(Self.answers)
      case "bbox": box = try reader.readOptional(Self.box)
      case "segmentation": segmentation = try reader.readOptional(Self.segmentation)
      default: try reader.skipValue()
      }
    }
    return Annotation(
      id: try reader.required(id, "id"), imageID: try reader.required(imageID, "image_id"), categoryID: categoryID,
      isCrowd: isCrowd ?? false, area: area, description: description, caption: caption, question: question,
      answers: answers, boundingBox: box, segmentation: segmentation, position: position)
  }

  private static func box(_ reader: inout JSONReader) throws -> BoundingBox {
    var numbers: [Double] = []
    try reader.readArray { numbers.append(try $0.readDouble()) }
    guard numbers.count == 4, numbers.allSatisfy(\.isFinite) else {
      throw reader.failure("\(numbers), where x, y, width and height are expected")
    }
    return BoundingBox(x: numbers[0], y: numbers[1], width: numbers[2], height: numbers[3])
  }

  static func answers(_ reader: inout JSONReader) throws -> [String] {
    var answers: [String] = []
    try reader.readArray { answers.append(try $0.readString()) }
    return answers
  }

  private static func segmentation(_ reader: inout JSONReader) throws -> Range<Int> {
    let kind = try reader.peek()
    guard kind == .array || kind == .object else {
      throw reader.failure("\(kind.rawValue), where a list of polygons or a run-length encoding is expected")
    }
    return try reader.skipValue()
  }
}

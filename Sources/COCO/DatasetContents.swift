import JSON

/// What a reader of a COCO file needs of it.
struct DatasetNeeds: Sendable {
  /// Whether images must name their pictures.
  var pictures = true
  /// Whether an annotation whose id is already in use gets a new one, instead of both being left out.
  var newIDs = false
}

/// The three lists of a COCO file as they are read from its JSON. A record that can't be used is left out; `problems`
/// names it.
struct DatasetContents {
  var images: [ImageRecord] = []
  var categories: [Category] = []
  var annotations: [Annotation] = []
  /// Where the licences of the images are.
  var licenses: Range<Int>?
  var problems = RecordProblems()
  /// Why an image's annotations can't be used, by its id.
  var lostImages: [Int64: String] = [:]
  let bytes: [UInt8]
  let needs: DatasetNeeds

  /// - Throws: `COCOError` without the file's name, if the file can't be read as a COCO file.
  init(_ bytes: [UInt8], needs: DatasetNeeds) throws {
    self.bytes = bytes
    self.needs = needs
    var seen: Set<String> = []
    try JSONReader.readFile(bytes) { reader in
      try reader.readObject { reader, key in
        let list = key.text
        guard ["images", "categories", "annotations"].contains(list) else {
          let value = try reader.skipValue()
          if list == "licenses" { licenses = value }
          return
        }
        guard seen.insert(list).inserted else { throw reader.fault("the key occurs twice") }
        var position = 0
        try reader.readArray { reader in
          switch list {
          case "images": try readImage(&reader, at: position)
          case "categories": try readCategory(&reader, at: position)
          default: try readAnnotation(&reader, at: position)
          }
          position += 1
        }
      }
    }
    for key in ["images", "annotations"] where !seen.contains(key) {
      throw COCOError(problem: "the key \"\(key)\" is missing: a COCO file has images and annotations")
    }
    resolveIDs()
    problems.sort()
  }

  // MARK: Records

  private mutating func readImage(_ reader: inout JSONReader, at position: Int) throws {
    var (id, fileName, width, height): (Int64?, String?, Int?, Int?)
    var values = RecordValues()
    var idText: Range<Int>?
    let isRecord = reader.peek() == .object
    let start = reader.position
    guard isRecord else { return try skip(.image, &reader, at: position) }
    try reader.readObject { reader, key in
      switch key {
      case "id":
        let isText = reader.peek() == .string
        let first = reader.position
        id = try values.read(.id, &reader) { try $0.readID() }
        if isText { idText = first..<reader.lastEnd }
      case "file_name":
        fileName = try values.read(.fileName, &reader) { reader in
          let name = try reader.readString()
          guard !name.isEmpty else { throw reader.fault("is empty") }
          return name
        }
      case "width": width = try values.read(.width, &reader) { try $0.readCount() }
      case "height": height = try values.read(.height, &reader) { try $0.readCount() }
      default: try reader.skipValue()
      }
    }
    let json = start..<reader.lastEnd
    guard let id else {
      return lose(.image, at: position, id: nil, values.missing(.id, named: "id", reader))
    }
    if fileName == nil, needs.pictures {
      let fault = values.missing(.fileName, named: "file_name", reader)
      lostImages[id] = "its image can't be used: \(fault.jsonPath): \(fault.problem)"
      return lose(.image, at: position, id: id, fault)
    }
    var size: ImageSize?
    if let width, let height {
      do {
        try BinaryMask.checkSize(height: height, width: width)
        size = ImageSize(width: width, height: height)
      } catch let error as COCOError {
        values.note(.width, reader.fault(error.problem))
      }
    }
    note(values.faults, of: .image, at: position, id: id, unless: [.fileName])
    images.append(
      ImageRecord(id: id, fileName: fileName ?? "", size: size, json: json, idText: idText, position: position))
  }

  private mutating func readCategory(_ reader: inout JSONReader, at position: Int) throws {
    var (id, name, supercategory): (Int64?, String?, String?)
    var values = RecordValues()
    guard reader.peek() == .object else { return try skip(.category, &reader, at: position) }
    try reader.readObject { reader, key in
      switch key {
      case "id": id = try values.read(.id, &reader) { try $0.readID() }
      case "name": name = try values.read(.name, &reader) { try $0.readString() }
      case "supercategory": supercategory = try values.read(.supercategory, &reader) { try $0.readString() }
      default: try reader.skipValue()
      }
    }
    guard let id else { return lose(.category, at: position, id: nil, values.missing(.id, named: "id", reader)) }
    guard let name else { return lose(.category, at: position, id: id, values.missing(.name, named: "name", reader)) }
    note(values.faults, of: .category, at: position, id: id)
    categories.append(Category(id: id, name: name, supercategory: supercategory, position: position))
  }

  private mutating func readAnnotation(_ reader: inout JSONReader, at position: Int) throws {
    var (id, imageID, categoryID): (Int64?, Int64?, Int64?)
    var (isCrowd, area): (Bool?, Double?)
    var (description, caption, question, answers): (String?, String?, String?, [String]?)
    var segmentation: Range<Int>?
    var box: BoundingBox?
    var values = RecordValues()
    guard reader.peek() == .object else { return try skip(.annotation, &reader, at: position) }
    try reader.readObject { reader, key in
      switch key {
      case "id": id = try values.read(.id, &reader) { try $0.readID() }
      case "image_id": imageID = try values.read(.imageID, &reader) { try $0.readID() }
      case "category_id": categoryID = try values.read(.categoryID, &reader) { try $0.readID() }
      case "iscrowd": isCrowd = try values.read(.isCrowd, &reader) { try $0.readFlag() }
      case "area": area = try values.read(.area, &reader, Self.area)
      case "description": description = try values.read(.description, &reader) { try $0.readString() }
      case "caption": caption = try values.read(.caption, &reader) { try $0.readString() }
      case "question": question = try values.read(.question, &reader) { try $0.readString() }
      case "answers": answers = try values.read(.answers, &reader, Self.answers)
      case "bbox": box = try values.read(.boundingBox, &reader, Self.box)
      case "segmentation": segmentation = try values.read(.segmentation, &reader, Self.segmentation)
      default: try reader.skipValue()
      }
    }
    guard let id else { return lose(.annotation, at: position, id: nil, values.missing(.id, named: "id", reader)) }
    guard let imageID else {
      return lose(.annotation, at: position, id: id, values.missing(.imageID, named: "image_id", reader))
    }
    note(values.faults, of: .annotation, at: position, id: id)
    annotations.append(
      Annotation(
        id: id, imageID: imageID, categoryID: categoryID, isCrowd: isCrowd ?? false, area: area,
        description: description, caption: caption, question: question, answers: answers, boundingBox: box,
        segmentation: segmentation, position: position, faulty: values.faulty))
  }

  private static func area(_ reader: inout JSONReader) throws -> Double {
    let area = try reader.readReal()
    guard area.isFinite, area >= 0 else { throw reader.fault("\(area), where a number of at least 0 is expected") }
    return area
  }

  private static func box(_ reader: inout JSONReader) throws -> BoundingBox {
    let numbers = try reader.readReals().prefix(5)
    guard numbers.count == 4, numbers.allSatisfy(\.isFinite) else {
      throw reader.fault("\(Array(numbers)), where x, y, width and height are expected")
    }
    return BoundingBox(x: numbers[0], y: numbers[1], width: numbers[2], height: numbers[3])
  }

  static func answers(_ reader: inout JSONReader) throws -> [String] {
    var answers: [String] = []
    try reader.readArray { answers.append(try $0.readString()) }
    return answers
  }

  private static func segmentation(_ reader: inout JSONReader) throws -> Range<Int> {
    let kind = reader.peek()
    guard kind == .array || kind == .object else {
      throw reader.fault("\(kind.words), where a list of polygons or a run-length encoding is expected")
    }
    return try reader.skipValue()
  }

  // MARK: What can't be used

  private mutating func skip(_ kind: RecordProblem.Kind, _ reader: inout JSONReader, at position: Int) throws {
    let error = reader.fault("\(reader.peek().words), where an object is expected")
    try reader.skipValue()
    lose(kind, at: position, id: nil, error)
  }

  mutating func lose(_ kind: RecordProblem.Kind, at position: Int, id: Int64?, _ error: COCOError) {
    problems.add(RecordProblem(kind, at: position, id: id, error, cost: .record))
  }

  private mutating func note(
    _ faults: [(key: RecordKey, error: COCOError)], of kind: RecordProblem.Kind, at position: Int, id: Int64,
    unless passed: [RecordKey] = []
  ) {
    for (key, error) in faults where needs.pictures || !passed.contains(key) {
      problems.add(RecordProblem(kind, at: position, id: id, error, cost: .value))
    }
  }
}

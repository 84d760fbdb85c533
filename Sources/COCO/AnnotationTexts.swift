import JSON

/// The texts of a COCO-schema file's annotations and the ids of its images, without masks, sizes and pictures.
///
/// A captions file may list images by their id alone, which is all that comparing texts needs. Annotations need no id
/// if it is not needed; a record that can't be used is left out, and `problems` says which and why.
struct AnnotationTexts {
  struct Record: ListedRecord {
    /// Its place if it has none.
    var id: Int64
    let statedID: Int64?
    let imageID: Int64
    let description: String?
    let caption: String?
    let question: String?
    let answers: [String]?
    let position: Int
    let faults: [(key: RecordKey, error: COCOError)]
  }

  /// In the order of the file; none occurs twice.
  private(set) var imageIDs: [Int64] = []
  private(set) var records: [Record] = []
  private(set) var problems = RecordProblems()

  /// - Parameter needsIDs: whether an annotation must have a unique id.
  /// - Throws: `COCOError` without the file's name, if the file can't be read as a COCO file.
  init(_ json: [UInt8], needsIDs: Bool) throws {
    var seen: Set<String> = []
    var images: Set<Int64> = []
    try JSONReader.readFile(json) { reader in
      try reader.readObject { reader, key in
        let isImages = key.isSame(as: "images")
        guard isImages || key.isSame(as: "annotations") else {
          try reader.skipValue()
          return
        }
        guard seen.insert(key.text).inserted else { throw reader.fault("the key occurs twice") }
        var position = 0
        try reader.readArray { reader in
          if isImages {
            if let id = try imageID(&reader, at: position), images.insert(id).inserted { imageIDs.append(id) }
          } else if let record = try record(&reader, at: position, needsIDs) {
            records.append(record)
          }
          position += 1
        }
      }
    }
    for key in ["images", "annotations"] where !seen.contains(key) {
      throw COCOError(problem: "the key \"\(key)\" is missing: a COCO file has images and annotations")
    }
    let all = records
    records = []
    for record in all {
      guard !images.contains(record.imageID) else {
        records.append(record)
        continue
      }
      lose(
        .annotation, at: record.position, id: record.statedID,
        COCOError(
          jsonPath: "annotations[\(record.position)].image_id",
          problem: "there is no image with the id \(record.imageID) in the file"))
    }
    if needsIDs { leaveOutRepeatedIDs() }
    problems.sort()
  }

  /// Leaves a record out that lacks what its reader needs.
  mutating func lose(_ record: Record, _ problem: String) {
    let error = record.faults.first?.error ?? COCOError(jsonPath: "annotations[\(record.position)]", problem: problem)
    lose(.annotation, at: record.position, id: record.statedID, error)
  }

  private mutating func lose(_ kind: RecordProblem.Kind, at position: Int, id: Int64?, _ error: COCOError) {
    problems.add(RecordProblem(kind, at: position, id: id, error, cost: .record))
  }

  private mutating func leaveOutRepeatedIDs() {
    let found = RepeatedIDs(records) { _, _ in false }
    for places in found.ambiguous.values {
      for (index, at) in places.enumerated() {
        let other = records[places[index == 0 ? 1 : 0]].position
        lose(
          .annotation, at: records[at].position, id: records[at].id,
          COCOError(
            jsonPath: "annotations[\(records[at].position)].id",
            problem: "the id \(records[at].id) is taken: annotations[\(other)] has it too"))
      }
    }
    let dropped = Set(found.ambiguous.values.joined())
    if !dropped.isEmpty { records = records.indices.filter { !dropped.contains($0) }.map { records[$0] } }
  }

  private mutating func imageID(_ reader: inout JSONReader, at position: Int) throws -> Int64? {
    guard reader.peek() == .object else {
      try skip(.image, &reader, at: position)
      return nil
    }
    var id: Int64?
    var values = RecordValues()
    try reader.readObject { reader, key in
      if key.isSame(as: "id") { id = try values.read(.id, &reader) { try $0.readID() } } else { try reader.skipValue() }
    }
    if id == nil { lose(.image, at: position, id: nil, values.missing(.id, named: "id", reader)) }
    return id
  }

  private mutating func record(_ reader: inout JSONReader, at position: Int, _ needsIDs: Bool) throws -> Record? {
    guard reader.peek() == .object else {
      try skip(.annotation, &reader, at: position)
      return nil
    }
    var (id, imageID): (Int64?, Int64?)
    var (description, caption, question, answers): (String?, String?, String?, [String]?)
    var values = RecordValues()
    try reader.readObject { reader, key in
      switch key {
      case "id": id = try values.read(.id, &reader) { try $0.readID() }
      case "image_id": imageID = try values.read(.imageID, &reader) { try $0.readID() }
      case "description": description = try values.read(.description, &reader) { try $0.readString() }
      case "caption": caption = try values.read(.caption, &reader) { try $0.readString() }
      case "question": question = try values.read(.question, &reader) { try $0.readString() }
      case "answers": answers = try values.read(.answers, &reader, DatasetContents.answers)
      default: try reader.skipValue()
      }
    }
    if needsIDs, id == nil {
      lose(.annotation, at: position, id: nil, values.missing(.id, named: "id", reader))
      return nil
    }
    guard let imageID else {
      lose(.annotation, at: position, id: id, values.missing(.imageID, named: "image_id", reader))
      return nil
    }
    return Record(
      id: id ?? Int64(position), statedID: id, imageID: imageID, description: description, caption: caption,
      question: question,
      answers: answers, position: position, faults: values.faults)
  }

  private mutating func skip(_ kind: RecordProblem.Kind, _ reader: inout JSONReader, at position: Int) throws {
    let error = reader.fault("\(reader.peek().words), where an object is expected")
    try reader.skipValue()
    lose(kind, at: position, id: nil, error)
  }
}

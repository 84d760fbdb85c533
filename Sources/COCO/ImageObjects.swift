import IO

/// An image of a dataset with some of its annotations, and all that their masks need: what a rank that doesn't have the
/// dataset gets of it.
///
/// Its masks, and its errors with their places in the file, are the dataset's.
public struct ImageObjects: Sendable {
  public let image: ImageRecord
  public let annotations: [Annotation]
  private let dataset: KeyObjectDataset

  /// - Parameter annotations: of the image, in any order.
  public init(_ image: ImageRecord, _ annotations: [Annotation], of dataset: KeyObjectDataset) {
    (self.image, self.annotations, self.dataset) = (image, annotations, dataset)
  }

  /// As `KeyObjectDataset.mask(for:height:width:)`.
  ///
  /// - Throws: `COCOError` with the file and the place in it.
  public func mask(for annotation: Annotation, height: Int, width: Int) throws -> BinaryMask {
    try dataset.mask(for: annotation, height: height, width: width)
  }

  /// As `KeyObjectDataset.fault(of:_:)`.
  public func fault(of annotation: Annotation, _ key: AnnotationKey) -> COCOError? {
    dataset.fault(of: annotation, key)
  }

  /// Writes what masks and descriptions need. An annotation's caption, question, area and box stay behind.
  public func encode(into writer: inout ByteWriter) {
    writer.text(dataset.name)
    writer.integer(Int(image.id))
    writer.text(image.fileName)
    writer.size(image.size)
    writer.list(annotations) { writer, annotation in
      writer.integer(Int(annotation.id))
      writer.optional(annotation.categoryID) { $0.integer(Int($1)) }
      writer.optional(annotation.description) { $0.text($1) }
      writer.integer(annotation.position)
      writer.integer(Int(annotation.faulty))
      writer.optional(annotation.segmentation) { $0.bytes(dataset.bytes[$1]) }
      // They are few: most records have none.
      writer.list(dataset.problems.listed(.annotation, at: annotation.position)) { writer, problem in
        writer.optional(problem.id) { $0.integer(Int($1)) }
        writer.text(problem.place)
        writer.text(problem.problem)
      }
    }
  }

  /// - Throws: if the bytes are none that `encode` makes.
  public init(_ reader: inout ByteReader) throws {
    let name = try reader.text()
    let image = ImageRecord(
      id: Int64(try reader.integer()), fileName: try reader.text(), size: try reader.size(), json: 0..<0, idText: nil,
      position: 0)
    var outlines: [UInt8] = []
    var problems = RecordProblems()
    annotations = try reader.list { reader in
      let id = Int64(try reader.integer())
      let categoryID = try reader.optional { Int64(try $0.integer()) }
      let description = try reader.optional { try $0.text() }
      let (position, faulty) = (try reader.integer(), try reader.integer())
      guard position >= 0, let faulty = UInt32(exactly: faulty) else {
        throw COCOError(file: name, problem: "annotation \(id) arrived with the position \(position)")
      }
      let outline = try reader.optional { try $0.bytes() }
      let start = outlines.count
      outlines += outline ?? []
      for (id, place, problem) in try reader.list({
        (try $0.optional { Int64(try $0.integer()) }, try $0.text(), try $0.text())
      }) {
        problems.add(
          RecordProblem(
            .annotation, at: position, id: id, COCOError(jsonPath: place, problem: problem), cost: .value))
      }
      return Annotation(
        id: id, imageID: image.id, categoryID: categoryID, isCrowd: false, area: nil, description: description,
        caption: nil, question: nil, answers: nil, boundingBox: nil,
        segmentation: outline.map { start..<start + $0.count }, position: position, faulty: faulty)
    }
    problems.sort()
    self.image = image
    dataset = KeyObjectDataset(name: name, image: image, annotations: annotations, outlines, problems)
  }
}

extension ByteWriter {
  mutating func size(_ size: ImageSize?) {
    optional(size) { writer, size in
      writer.integer(size.width)
      writer.integer(size.height)
    }
  }
}

extension ByteReader {
  /// - Throws: also for a size that no image has.
  mutating func size() throws -> ImageSize? {
    try optional { reader in
      let (width, height) = (try reader.integer(), try reader.integer())
      try BinaryMask.checkSize(height: height, width: width)
      return ImageSize(width: width, height: height)
    }
  }
}

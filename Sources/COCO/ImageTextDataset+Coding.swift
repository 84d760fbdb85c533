import IO

/// How examples travel to ranks that don't have their file.
extension ImageTextExample {
  public func encode(into writer: inout ByteWriter) {
    writer.integer(Int(id))
    writer.integer(Int(imageID))
    writer.text(fileName)
    writer.size(size)
    writer.optional(prompt) { $0.text($1) }
    writer.optional(target) { $0.text($1) }
  }

  /// - Throws: if the bytes are none that `encode` makes.
  public init(_ reader: inout ByteReader) throws {
    self.init(
      id: Int64(try reader.integer()), imageID: Int64(try reader.integer()), fileName: try reader.text(),
      size: try reader.size(), prompt: try reader.optional { try $0.text() },
      target: try reader.optional { try $0.text() })
  }
}

extension ImageTextDataset.Kind {
  private static let all: [ImageTextDataset.Kind] = [.captions, .questions, .objects]

  /// The number that stands for it in messages.
  public var number: Int {
    switch self {
    case .captions: 0
    case .questions: 1
    case .objects: 2
    }
  }

  /// - Throws: `COCOError` if the number stands for none.
  public init(number: Int) throws {
    guard Self.all.indices.contains(number) else { throw COCOError(problem: "there is no kind of dataset \(number)") }
    self = Self.all[number]
  }
}

extension ImageTextDataset {
  /// The examples, without the file's problems. An image with several examples is written once.
  public func encode() -> [UInt8] {
    var writer = ByteWriter()
    writer.integer(kind.number)
    var numbers: [Int64: Int] = [:]
    var pictures: [Picture] = []
    let places = examples.map { example in
      let picture = Picture(id: example.imageID, fileName: example.fileName, size: example.size)
      if let number = numbers[picture.id], pictures[number].isSame(as: picture) { return number }
      numbers[picture.id] = pictures.count
      pictures.append(picture)
      return pictures.count - 1
    }
    writer.list(pictures) { writer, picture in
      writer.integer(Int(picture.id))
      writer.text(picture.fileName)
      writer.size(picture.size)
    }
    writer.list(zip(examples, places).map { $0 }) { writer, element in
      writer.integer(Int(element.0.id))
      writer.integer(element.1)
      writer.optional(element.0.prompt) { $0.text($1) }
      writer.optional(element.0.target) { $0.text($1) }
    }
    return writer.bytes
  }

  /// - Throws: if the bytes are none that `encode` makes.
  public init(decoding bytes: [UInt8]) throws {
    var reader = ByteReader(bytes)
    let kind = try Kind(number: reader.integer())
    let pictures = try reader.list { reader in
      Picture(id: Int64(try reader.integer()), fileName: try reader.text(), size: try reader.size())
    }
    let examples = try reader.list { reader in
      let (id, number) = (Int64(try reader.integer()), try reader.integer())
      guard pictures.indices.contains(number) else {
        throw COCOError(problem: "example \(id) arrived with picture \(number) of \(pictures.count)")
      }
      let picture = pictures[number]
      return ImageTextExample(
        id: id, imageID: picture.id, fileName: picture.fileName, size: picture.size,
        prompt: try reader.optional { try $0.text() }, target: try reader.optional { try $0.text() })
    }
    try reader.finish()
    self.init(kind: kind, examples: examples, problems: RecordProblems(), unannotated: 0)
  }

  private struct Picture {
    let id: Int64
    let fileName: String
    let size: ImageSize?

    /// By the name's bytes: for Swift's `==` two spellings of ü are one.
    func isSame(as other: Picture) -> Bool {
      id == other.id && size == other.size && fileName.utf8.elementsEqual(other.fileName.utf8)
    }
  }
}

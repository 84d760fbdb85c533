import IO
import Testing

@testable import COCO

/// What ranks without the dataset get of it.
@Suite("Images and examples that travel between ranks")
struct TravellingTests {
  private static let images =
    #""images":[{"id":1,"file_name":"a/ü.jpg","width":4,"height":3},{"id":2,"file_name":"b.jpg"}]"#

  private static let json =
    "{\(images),\"annotations\":["
    + #"{"id":9,"image_id":1,"category_id":3,"description":"ein größerer Hund","segmentation":[[0,0,3,0,3,2,0,2],[1]]},"#
    + #"{"id":2,"image_id":1,"description":7,"segmentation":{"size":[3,4],"counts":[2,4,6]}},"#
    + #"{"id":5,"image_id":1,"description":"","segmentation":"none"},{"id":6,"image_id":1,"segmentation":[]},"#
    + #"{"id":7,"image_id":2,"description":"b","segmentation":[[0,0,1,0,1,1]]}]}"#

  private func dataset() throws -> KeyObjectDataset {
    try KeyObjectDataset(json: Array(Self.json.utf8), name: "data.json")
  }

  private func bytes(of id: Int64, in dataset: KeyObjectDataset) throws -> [UInt8] {
    var writer = ByteWriter()
    let image = try #require(dataset.image(id))
    ImageObjects(image, dataset.annotationsByID().filter { $0.imageID == id }, of: dataset).encode(into: &writer)
    return writer.bytes
  }

  private func decode(_ bytes: [UInt8]) throws -> ImageObjects {
    var reader = ByteReader(bytes)
    let objects = try ImageObjects(&reader)
    try reader.finish()
    return objects
  }

  @Test("an image's objects have the masks, texts and errors that they have in their file")
  func objects() throws {
    let dataset = try dataset()
    for id: Int64 in [1, 2] {
      let objects = try decode(bytes(of: id, in: dataset))
      let image = try #require(dataset.image(id))
      #expect(objects.image.id == id && objects.image.fileName == image.fileName && objects.image.size == image.size)
      let annotations = dataset.annotationsByID().filter { $0.imageID == id }
      #expect(objects.annotations.map(\.id) == annotations.map(\.id))
      for (there, here) in zip(objects.annotations, annotations) {
        #expect(there.imageID == id && there.categoryID == here.categoryID && there.description == here.description)
        #expect(objects.fault(of: there, .description) == dataset.fault(of: here, .description))
        func outcome(_ mask: () throws -> BinaryMask) -> String {
          do { return "\(try mask().pixels)" } catch { return "\(error)" }
        }
        let expected = outcome { try dataset.mask(for: here, height: 3, width: 4) }
        #expect(outcome { try objects.mask(for: there, height: 3, width: 4) } == expected)
        let other = outcome { try dataset.mask(for: here, height: 5, width: 4) }
        #expect(outcome { try objects.mask(for: there, height: 5, width: 4) } == other)
      }
    }
  }

  @Test("examples arrive as they are, with a picture's name once")
  func examples() throws {
    let size = ImageSize(width: 4, height: 3)
    func example(_ id: Int64, image: Int64, _ name: String, _ prompt: String?, _ target: String?) -> ImageTextExample {
      ImageTextExample(
        id: id, imageID: image, fileName: name, size: image == 1 ? size : nil, prompt: prompt, target: target)
    }
    let name = String(repeating: "long ", count: 200)
    // Two spellings of one name are two names.
    let all = [
      example(-3, image: 1, name, nil, "größer ☕"), example(4, image: 1, name, "was?", nil),
      example(5, image: 2, "\u{FC}.jpg", "", ""), example(.max, image: 2, "u\u{308}.jpg", nil, nil),
    ]
    for kind in [ImageTextDataset.Kind.captions, .questions, .objects] {
      let dataset = ImageTextDataset(kind: kind, examples: all, problems: RecordProblems(), unannotated: 3)
      let bytes = dataset.encode()
      #expect(bytes.count < 2 * name.utf8.count)
      let decoded = try ImageTextDataset(decoding: bytes)
      #expect(decoded.kind == kind && decoded.examples == all)
      #expect(decoded.examples.map { Array($0.fileName.utf8) } == all.map { Array($0.fileName.utf8) })
    }
    for example in all {
      var writer = ByteWriter()
      example.encode(into: &writer)
      var reader = ByteReader(writer.bytes)
      #expect(try ImageTextExample(&reader) == example)
      try reader.finish()
    }
  }

  @Test("bytes that are cut or lie never do worse than throw", arguments: [Int.min, -1, 2, 1 << 40, Int.max])
  func hostile(number: Int) throws {
    let objects = try bytes(of: 1, in: dataset())
    let examples = try ImageTextDataset(json: Array(Self.json.utf8), name: "data.json") { [] }.encode()
    for count in objects.indices {
      #expect(throws: (any Error).self) { try decode(Array(objects[..<count])) }
    }
    for count in examples.indices {
      #expect(throws: (any Error).self) { try ImageTextDataset(decoding: Array(examples[..<count])) }
    }
    for at in 0..<objects.count - 8 {
      var lying = objects
      withUnsafeBytes(of: Int64(number).littleEndian) { lying.replaceSubrange(at..<at + 8, with: $0) }
      // What is still taken for an image must not trap later.
      guard let found = try? decode(lying) else { continue }
      for annotation in found.annotations { _ = try? found.mask(for: annotation, height: 3, width: 4) }
    }
    for at in 0..<examples.count - 8 {
      var lying = examples
      withUnsafeBytes(of: Int64(number).littleEndian) { lying.replaceSubrange(at..<at + 8, with: $0) }
      _ = try? ImageTextDataset(decoding: lying)
    }
  }
}
